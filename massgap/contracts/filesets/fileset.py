"""Filesets: which files make up a sample, and how its events are weighted.

A fileset is coffea's JSON, ``{dataset: {"files": {path: "Events"}, "metadata": {...}}}``. Of the metadata
this package reads ``process``, ``xsec_fb``, ``sum_weights``, ``is_data``, ``is_signal``, ``sqrt_s_tev``,
``masses`` (GeV, signals), ``tranche`` (``variable``, ``min``, ``max``, optional ``group``), ``variations`` (systematics of the
dataset), ``pdf_members`` (what the members of ``LHEPdfWeight`` are) and ``n_events``; any other key passes through. An event weighs ``genWeight * xsec_fb / sum_weights`` in fb; without
``sum_weights`` the reader takes it from the files. Several datasets (tranches) may share one process.

Every fault is reported with the dataset and the key it stands in. Nothing here opens a ROOT file.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.checks import (
    DATASET_KEYS,
    check_duplicates,
    check_metadata,
    check_processes,
    kind_of,
)
from massgap.contracts.filesets.known_files import known_files, plain_fileset
from massgap.contracts.filesets.paths import expand, is_url, local_path
from massgap.contracts.writing import write_json

if TYPE_CHECKING:
    from massgap.contracts.filesets.dataset import Fileset

DEFAULT_TREE = "Events"


def load_fileset(
    path: str | os.PathLike[str], *, check_files: bool = True, allow_duplicates: bool = False
) -> Fileset:
    """Read and validate a fileset JSON (or ``.json.gz``).

    Relative file paths in it are relative to the JSON; the result holds absolute paths.

    Parameters
    ----------
    path : path
        The JSON file.
    check_files : bool
        Whether local files must exist.
    allow_duplicates : bool
        Take one file under two names.

    Raises
    ------
    FilesetError
        If the file is missing, is not JSON or is not a valid fileset.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode(
            "utf-8-sig"
        )  # Windows begins with a mark
    except FileNotFoundError:
        msg = f"fileset {path} does not exist"
        raise FilesetError(msg) from None
    except IsADirectoryError:
        msg = f"fileset {path} is a folder: give the JSON file in it"
        raise FilesetError(msg) from None
    except (OSError, EOFError) as error:
        msg = f"fileset {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise FilesetError(msg) from None
    except UnicodeDecodeError:
        msg = f"fileset {path} is not JSON: it is a binary file"
        raise FilesetError(msg) from None

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # json keeps the last of two equal keys without a word: a dataset or file would vanish
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                msg = f"fileset {path}: {key!r} stands twice in the same object"
                raise FilesetError(msg)
            found[key] = value
        return found

    try:
        content = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        msg = f"fileset {path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise FilesetError(msg) from None
    except RecursionError:
        msg = f"fileset {path} is not a fileset: it is nested too deeply"
        raise FilesetError(msg) from None
    return validate_fileset(
        content, path, base=path.parent, check_files=check_files, allow_duplicates=allow_duplicates
    )


def validate_fileset(
    fileset: Any,
    source: str | os.PathLike[str] = "fileset",
    *,
    base: str | os.PathLike[str] | None = None,
    check_files: bool = True,
    allow_duplicates: bool = False,
) -> Fileset:
    """Check a fileset and bring it into the one form that the rest of the package reads.

    Accepts coffea's other forms of "files" (a list with "treename", ``{path: {"object_path": tree}}``, a
    plain list of paths in place of the dataset). Wildcards in paths are expanded.

    Parameters
    ----------
    fileset : mapping
        The fileset, also as coffea's ``DataGroupSpec``.
    source : path or str
        Where it came from; appears in the messages.
    base : path, optional
        Folder that relative paths start from; default the current one.
    check_files : bool
        Whether local files must exist.
    allow_duplicates : bool
        Take one file under two names.

    Returns
    -------
    dict
        ``{dataset: {"files": {absolute path or URL: tree name}, "metadata": {...}}}`` with ``process``,
        ``is_data``, ``is_signal`` and ``sqrt_s_tev`` filled in.  What the fileset says of single files
        (``{path: {"object_path": tree, "steps": ..., "num_entries": ..., "uuid": ..., "sum_weights": ...}}``, as coffea's
        ``preprocess`` writes it) is in ``known``, by path, see :mod:`massgap.contracts.filesets.known_files`.

    Raises
    ------
    FilesetError
        Naming the dataset and the key at fault.

    Examples
    --------
    >>> fileset = {"zz": {"files": ["root://host//zz.root"], "metadata": {"xsec_fb": 8750.0}}}
    >>> validate_fileset(fileset)["zz"]["files"]
    {'root://host//zz.root': 'Events'}
    >>> validate_fileset({"zz": {"files": ["root://host//zz.root"], "metadata": {}}})
    Traceback (most recent call last):
    ...
    massgap.contracts.errors.FilesetError: fileset: dataset 'zz' has no xsec_fb: ...
    """
    fileset = plain_fileset(fileset)
    if not isinstance(fileset, Mapping):
        msg = f'{source} is not a fileset: expected {{dataset: {{"files": ..., "metadata": ...}}}}'
        raise FilesetError(msg)
    if not fileset:
        msg = f"{source} holds no dataset"
        raise FilesetError(msg)
    folder = Path(base) if base is not None else Path()
    result: Fileset = {}
    for name, entry in fileset.items():
        if not isinstance(name, str) or not name:
            msg = f"{source}: dataset name {name!r} must be a non-empty text"
            raise FilesetError(msg)
        where = f"{source}: dataset {name!r}"
        spec: Any = {"files": entry} if isinstance(entry, list) else entry
        if not isinstance(spec, Mapping):
            msg = f'{where} must be an object with "files" and "metadata", not {kind_of(entry)}'
            raise FilesetError(msg)
        if "files" not in spec:
            msg = f'{where} has no "files"'
            raise FilesetError(msg)
        if unknown := sorted(map(str, set(spec) - DATASET_KEYS)):
            msg = f'{where} has the unknown key {unknown[0]!r}: settings belong into its "metadata"'
            raise FilesetError(msg)
        known = known_files(spec, where, folder)
        result[name] = {
            "files": _normalise_files(spec["files"], spec.get("treename"), where, folder, check_files),
            "metadata": check_metadata(spec.get("metadata"), name, where),
        }
        if known:
            result[name]["known"] = known
        if "preload" in spec:
            result[name]["preload"] = spec["preload"]
    if not allow_duplicates:
        check_duplicates(result, source)
    check_processes(result, source)
    return result


def fileset_from_files(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    process: str | None = None,
    *,
    dataset: str | None = None,
    xsec_fb: float | None = None,
    sum_weights: float | None = None,
    is_data: bool = False,
    is_signal: bool = False,
    sqrt_s_tev: float = 13.0,
    masses: Mapping[str, float] | None = None,
    treename: str = DEFAULT_TREE,
    unnormalised: bool = False,
    allow_duplicates: bool = False,
) -> Fileset:
    """Fileset of one dataset from file names, wildcards, folders or URLs.

    Parameters
    ----------
    paths : path or list of paths
        Files; wildcards (``*``, ``**``) are expanded, a folder means its ``*.root`` files.
    process : str, optional
        Process name; default ``data`` for data and the name of the first file otherwise.
    dataset : str, optional
        Dataset name; default the process.
    xsec_fb : float
        Cross section in fb times the generator's filter efficiency; needed for simulation.
    sum_weights : float, optional
        Sum of genWeight over all generated events; read from the files where absent.
    is_data, is_signal : bool
        What the events are.
    sqrt_s_tev : float
        Centre-of-mass energy in TeV.
    masses : mapping, optional
        Signal masses in GeV.
    treename : str
        Name of the tree.
    unnormalised : bool
        Allow simulation without a cross section: its metadata carry ``"unnormalised": true`` and its yields
        are plain sums of genWeight, not fb.
    allow_duplicates : bool
        Take one file under two names.

    Raises
    ------
    FilesetError
        If nothing matches, a file is missing or given twice, or the weights are undetermined.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not given:
        msg = "no input files given"
        raise FilesetError(msg)
    files: dict[str, str] = {}
    for item in [os.fspath(path) for path in given]:
        if not is_url(item) and os.path.isdir(local_path(item)):  # noqa: PTH112 (any name may be asked for)
            inside = sorted(map(str, local_path(item).glob("*.root")))
            if not inside:
                msg = f"folder {item} holds no .root file"
                raise FilesetError(msg)
        else:
            inside = [item]
        for path in inside:
            if path in files:
                msg = f"file {path} is given twice"
                raise FilesetError(msg)
            files[path] = treename
    if process is None:
        process = "data" if is_data else _process_of(next(iter(files)))
    metadata: dict[str, Any] = {
        "process": process,
        "is_data": is_data,
        "is_signal": is_signal,
        "sqrt_s_tev": sqrt_s_tev,
    }
    if xsec_fb is not None:
        metadata["xsec_fb"] = xsec_fb
    elif unnormalised and not is_data:
        metadata["unnormalised"] = True
    if sum_weights is not None:
        metadata["sum_weights"] = sum_weights
    if masses is not None:
        metadata["masses"] = dict(masses)
    fileset = {dataset or process: {"files": files, "metadata": metadata}}
    return validate_fileset(fileset, "input files", allow_duplicates=allow_duplicates)


def _process_of(path: str) -> str:
    """A name for the process of a file, from the file's: a text that can be printed and written anywhere."""
    stem = Path(path).name.split(".")[0].replace("*", "")
    return " ".join(stem.encode("utf-8", "replace").decode().split()) or "simulation"


def write_fileset(
    fileset: Mapping[str, Any], path: str | os.PathLike[str], *, check_files: bool = True
) -> Path:
    """Validate a fileset and write it as JSON, complete or not at all.

    Files below the JSON's folder are written relative to it, so that the folder can be moved.

    Raises
    ------
    FilesetError
        If the fileset is invalid or the file cannot be written.
    """
    path = Path(path)
    checked = validate_fileset(fileset, path, check_files=check_files)
    # normpath, not resolve: a link inside the folder must stay the name that was given
    folder = Path(os.path.normpath(path.parent.absolute()))
    for entry in checked.values():
        entry["files"] = {_relative(file, folder): tree for file, tree in entry["files"].items()}
        if "known" in entry:
            entry["known"] = {_relative(file, folder): about for file, about in entry["known"].items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, checked, default=None, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"fileset {path} holds metadata that JSON cannot express: {error}"
        raise FilesetError(msg) from None
    except OSError as error:
        msg = f"fileset {path} cannot be written: {error.strerror}"
        raise FilesetError(msg) from None
    return path


def _relative(file: str, folder: Path) -> str:
    if is_url(file) or not Path(file).is_relative_to(folder):
        return file
    return str(Path(file).relative_to(folder))


def _normalise_files(files: Any, treename: Any, where: str, folder: Path, check: bool) -> dict[str, str]:
    """Bring any legal form of "files" to {absolute path or URL: tree name}."""
    if treename is not None and (not isinstance(treename, str) or not treename):
        msg = f'{where}: "treename" must be a text, not {kind_of(treename)}'
        raise FilesetError(msg)
    default = treename or DEFAULT_TREE
    pairs: list[tuple[Any, Any]]
    if isinstance(files, Mapping):
        pairs = list(files.items())
    elif isinstance(files, (list, tuple)):
        pairs = [(item, default) for item in files]
    elif isinstance(files, str):
        pairs = [(files, default)]
    else:
        msg = f'{where}: "files" must be {{path: "Events"}} or a list of paths, not {kind_of(files)}'
        raise FilesetError(msg)
    if not pairs:
        msg = f'{where}: "files" is empty'
        raise FilesetError(msg)
    result: dict[str, str] = {}
    for path, tree in pairs:
        if not isinstance(path, (str, os.PathLike)) or not str(path):
            msg = f'{where}: a path in "files" must be a text, not {kind_of(path)}'
            raise FilesetError(msg)
        name = tree
        if isinstance(tree, Mapping):
            name = tree.get("object_path")
        elif tree is None:
            name = default
        if not isinstance(name, str) or not name:
            msg = f"{where}: file {path} has no tree name (expected for example {DEFAULT_TREE!r})"
            raise FilesetError(msg)
        for expanded in expand(os.fspath(path), where, folder, check):
            if expanded in result:
                msg = f"{where}: file {expanded} is listed twice"
                raise FilesetError(msg)
            result[expanded] = name
    return result
