#!/bin/sh
# Runs one job of "massgap submit" on a worker.  HTCondor brings this file, the code and the slice; it starts in an
# empty folder and calls
#
#   job.sh NAME SLICE PYTHON [ARCHIVE]
#
#   NAME      of the job; the results go to out-NAME, which HTCondor brings back, also when the job is evicted
#   SLICE     the file with the share of the work of this job
#   PYTHON    the Python to use
#   ARCHIVE   an environment (.tar.gz), unpacked to the folder env
#
# Exit codes: 0 all done; 3 some chunks failed; 4 the code is not the one that planned the job;
# 75 this machine cannot do it, another one may (HTCondor then tries again by itself).
#
# The steps from unpacking the code to the caches stand in worker.sh too, word for word (a test compares them): each script
# travels alone, and whoever looks at a job finds all that it does in one file.

name=$1
slice=$2
python=$3
archive=${4:-}
out=out-$name

cannot() {
    echo "job $name cannot run on $(uname -n): $1" >&2
    exit 75
}

echo "job $name on $(uname -n), $(date -u '+%Y-%m-%d %H:%M:%S') UTC" >&2

# The folder must exist at the end whatever happens: HTCondor holds a job whose output is not there.
mkdir -p "$out" || cannot "the folder $out cannot be made"

# Chunks that an earlier attempt has finished are not done again.
if [ -d "kept-$name" ]; then
    for file in "kept-$name"/*.npz; do
        [ -e "$out/${file##*/}" ] || cp "$file" "$out/" || cannot "no room for the results"
    done
fi

mkdir -p code && tar -xzf code.tar.gz -C code || cannot "code.tar.gz cannot be unpacked"
export PYTHONPATH="$PWD/code"

if [ -n "$archive" ]; then
    mkdir -p env && tar -xzf "$archive" -C env || cannot "$archive cannot be unpacked"
    # What the account has installed for itself must not come before the environment.
    export PYTHONNOUSERSITE=1
    [ ! -x env/bin/conda-unpack ] || "$python" env/bin/conda-unpack || cannot "conda-unpack failed"
fi
command -v "$python" >/dev/null || cannot "there is no $python"

# Caches belong to the job: a worker's home may be missing, or not writable.
export HOME="${HOME:-$PWD}"
export MPLCONFIGDIR="$PWD/cache/matplotlib" XDG_CACHE_HOME="$PWD/cache"
# Machine code came with the code and lies beside it: a cache elsewhere would hide it.
unset NUMBA_CACHE_DIR

# exec: the signal that announces an eviction must reach Python, which then writes down how far it got.
exec "$python" -m massgap work "$slice" --out "$out"
