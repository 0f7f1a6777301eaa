"""Writing tables with HEPData's own library, the likelihood beside them, and having its validator look at all of it.

The format is that of https://hepdata-submission.readthedocs.io; the library is `hepdata_lib`, which needs no ROOT.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import tarfile
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import write_atomically
from massgap.extras import require
from massgap.reports.errors import ReportError
from massgap.reports.plane.hepdata.tables import Column, Content, contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from massgap.reports.plane.efficiencies import PointCutflow
    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["require_library", "validate", "write_submission"]

DIGITS = 6
"""Significant digits of the tables."""
THUMBNAIL = 0.25
"""Of the size of a figure."""


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Without the library's prints, and without its changes of the filters of warnings."""
    told = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(told):
        # The validator uses a part of jsonschema that this has deprecated, and leaves files open.
        for category in (DeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        yield told


def require_library() -> Any:
    """Import ``hepdata_lib``.

    Raises
    ------
    massgap.extras.MissingExtraError
        If it is not installed.
    """
    with _quiet():
        require("hepdata_validator", "the export for HEPData")
        return require("hepdata_lib", "the export for HEPData")


def write_submission(inputs: PlaneInputs, flows: Sequence[PointCutflow], folder: Path) -> Path:
    """Write the tables of a plane into a folder, and an archive of it that can be uploaded beside it.

    Parameters
    ----------
    inputs
        The plane.
    flows
        Cutflows of its points.
    folder
        Where: what is in it is replaced.  Figures of the folder ``figures`` beside it are added to the tables.

    Returns
    -------
    pathlib.Path
        The archive, ``.tar.gz``; the same plane gives the same bytes.

    Raises
    ------
    massgap.extras.MissingExtraError
        If ``hepdata_lib`` is not installed.
    ReportError
        If HEPData's validator finds a fault, or something cannot be written.
    """
    library = require_library()
    archive = folder.with_name(folder.name + ".tar.gz")
    try:
        with tempfile.TemporaryDirectory(prefix="massgap-hepdata-") as scratch, _quiet():
            place = Path(scratch)
            submission = _submission(library, inputs, flows, folder.absolute().parent / "figures", place)
            made = place / "submission"
            # The library leaves an archive of its own in the current folder, so all paths are absolute.
            with contextlib.chdir(place):
                submission.create_files(str(made), validate=False)
            validate(made)
            files = sorted(made.iterdir())
            write_atomically(archive, _packed((path.name, path.read_bytes()) for path in files))
            if folder.is_dir():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            for path in files:
                shutil.copyfile(path, folder / path.name)
    except OSError as error:
        message = f"tables for HEPData cannot be written to {folder} ({error.strerror or error}): choose another place with --out."
        raise ReportError(message) from error
    return archive


def validate(folder: Path) -> None:
    """Have HEPData's validator look at a submission.

    Raises
    ------
    ReportError
        With what it finds.
    """
    from hepdata_validator.full_submission_validator import FullSubmissionValidator

    validator = FullSubmissionValidator()
    if not validator.validate(directory=str(folder)):
        found = [
            f"{Path(name).name}: {entry.message}"
            for name, entries in validator.get_messages().items()
            for entry in entries
        ]
        message = f"HEPData's validator refuses the tables of {folder.name}: {'; '.join(found[:5])}. Leave out --hepdata."
        raise ReportError(message)


def _submission(
    library: Any, inputs: PlaneInputs, flows: Sequence[PointCutflow], figures: Path, place: Path
) -> Any:
    submission = library.Submission()
    plane = inputs.plane
    submission.comment = (
        f"Plane of {len(inputs.signals)} signals; "
        f"cross sections: {plane['xsec']['set']} ({plane['xsec']['source']})."
    )
    for entry in plane["workspaces"]:
        path = place / f"likelihood_{entry['lumi_fb']:g}fb.tar.gz"
        names = (entry["workspace"], entry["patch_set"])
        path.write_bytes(_packed((name, (inputs.folder.path / name).read_bytes()) for name in names))
        text = f"Background-only workspace and patch set, a patch per signal, at {entry['lumi_fb']:g} fb-1 (HistFactory JSON, pyhf)"
        submission.add_additional_resource(text, str(path), copy_file=True, file_type="HistFactory")
    energy = plane.get("sqrt_s_tev")
    for content in contents(inputs, flows):
        table = _table(library, content)
        if energy is not None:
            table.keywords["cmenergies"] = [1000.0 * energy]
        for path in _images([figures / f"{name}.png" for name in content.figures], place):
            kind = "Thumbnail image file" if path.name.startswith("thumb_") else "Image file"
            table.add_additional_resource(kind, str(path), copy_file=True)
        submission.add_table(table)
    return submission


def _table(library: Any, content: Content) -> Any:
    table = library.Table(content.name)
    table.description, table.location = content.description, "Plane of signals"
    table.keywords["phrases"] = ["Exclusion", "Limits"]
    if content.observables:
        table.keywords["observables"] = list(content.observables)
    for column in content.where:
        table.add_variable(_variable(library, column, independent=True))
    for column in content.what:
        table.add_variable(_variable(library, column, independent=False))
    return table


def _variable(library: Any, column: Column, *, independent: bool) -> Any:
    variable = library.Variable(
        column.name,
        is_independent=independent,
        is_binned=False,
        units=column.units,
        zero_uncertainties_warning=False,
    )
    variable.values, variable.digits = list(column.values), DIGITS
    for name, (value, units) in column.qualifiers.items():
        variable.add_qualifier(name, value, units)
    for label, errors in column.errors.items():
        if any(error is not None for error in errors):
            pairs = isinstance(next(error for error in errors if error is not None), tuple)
            uncertainty = library.Uncertainty(label, is_symmetric=not pairs)
            uncertainty.values = list(errors)
            variable.add_uncertainty(uncertainty)
    return variable


def _images(paths: Iterable[Path], place: Path) -> list[Path]:
    """Figures that are there, each with a small one that HEPData shows in its list."""
    from matplotlib.image import thumbnail

    found = []
    for path in paths:
        if not path.is_file():
            continue
        small = place / f"thumb_{path.name}"
        thumbnail(str(path), str(small), scale=THUMBNAIL)
        found += [path, small]
    return found


def _packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A compressed archive without times and owners: the same files give the same bytes."""
    stream = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
