#!/bin/sh
# Starts one dask worker in an HTCondor job.  HTCondor brings this file, the code, the certificates and the settings of dask; it
# starts in an empty folder and calls
#
#   worker.sh NAME ADDRESS MEMORY PYTHON [ARCHIVE]
#
#   NAME      of the worker: the number of its job
#   ADDRESS   of the scheduler
#   MEMORY    above which the worker is restarted; below what the job asked for
#   PYTHON    the Python to use
#   ARCHIVE   an environment (.tar.gz), unpacked to the folder env
#
# The steps from unpacking the code to the caches stand in job.sh too, word for word (a test compares them): each script
# travels alone, and whoever looks at a job finds all that it does in one file.

name=$1
address=$2
memory=$3
python=$4
archive=${5:-}

cannot() {
    echo "worker $name cannot run on $(uname -n): $1" >&2
    exit 75
}

echo "worker $name on $(uname -n), $(date -u '+%Y-%m-%d %H:%M:%S') UTC" >&2

chmod 600 key.pem || cannot "key.pem did not come"
mkdir -p code && tar -xzf code.tar.gz -C code || cannot "code.tar.gz cannot be unpacked"
export PYTHONPATH="$PWD/code"

if [ -n "$archive" ]; then
    mkdir -p env && tar -xzf "$archive" -C env || cannot "$archive cannot be unpacked"
    # What the account has installed for itself must not come before the environment.
    export PYTHONNOUSERSITE=1
    [ ! -x env/bin/conda-unpack ] || "$python" env/bin/conda-unpack || cannot "conda-unpack failed"
fi
command -v "$python" >/dev/null || cannot "there is no $python"
"$python" -c 'import distributed' || cannot "distributed cannot be imported by $python"

# Caches belong to the job: a worker's home may be missing, or not writable.
export HOME="${HOME:-$PWD}"
export MPLCONFIGDIR="$PWD/cache/matplotlib" XDG_CACHE_HOME="$PWD/cache"
# Machine code came with the code and lies beside it: a cache elsewhere would hide it.
unset NUMBA_CACHE_DIR
# dask does not send its settings to workers by itself.
DASK_INTERNAL_INHERIT_CONFIG=$(cat dask-settings)
export DASK_INTERNAL_INHERIT_CONFIG

# exec: a signal that ends the job must reach Python, which then takes leave of the scheduler.
exec "$python" -m distributed.cli.dask_worker "$address" --name "$name" --nthreads 1 --memory-limit "$memory" \
    --local-directory "$PWD" --no-dashboard --dashboard-address 127.0.0.1:0 --nanny --death-timeout 300 \
    --tls-ca-file authority.pem --tls-cert certificate.pem --tls-key key.pem
