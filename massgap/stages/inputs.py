"""What a run reads: event files, or a fileset."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Inputs", "take"]


@dataclass(frozen=True)
class Inputs:
    """The event files of a run and what is known of them; :meth:`load` gives the fileset.

    Parameters
    ----------
    files
        Paths, patterns or URLs of event files.
    fileset
        A coffea fileset instead, as JSON file or dict, or several files whose datasets are taken together.
    tree
        Name of the tree, if not Events, Delphes or CollectionTree (or EventData) of ATLAS.
    process, xsec_fb
        Process name and cross section in fb of plain files.  Without cross section the events are
        counted with their generator weights.
    is_data
        Whether plain files are collision data; None to tell by their content.

    Raises
    ------
    massgap.contracts.errors.FilesetError
        If there are neither files nor a fileset, or both, or a word on plain files goes with a fileset.

    Examples
    --------
    >>> Inputs(("a.root",), process="tt", xsec_fb=832_000.0).process
    'tt'
    """

    files: tuple[str, ...] = ()
    fileset: str | Path | dict[str, Any] | Sequence[str | Path] | None = None
    tree: str | None = None
    process: str | None = None
    xsec_fb: float | None = None
    is_data: bool | None = None

    def __post_init__(self) -> None:
        from massgap.contracts.errors import FilesetError

        object.__setattr__(self, "files", tuple(str(path) for path in self.files))
        if isinstance(self.fileset, list | tuple) and len(self.fileset) < 2:
            object.__setattr__(self, "fileset", next(iter(self.fileset), None))
        if self.fileset is None and not self.files:
            msg = "no input: give event files, or --fileset FILE"
            raise FilesetError(msg)
        if self.fileset is None:
            return
        if self.files:
            msg = "give either event files or --fileset FILE, not both"
            raise FilesetError(msg)
        of_files = (("--process", self.process), ("--xsec", self.xsec_fb), ("--data", self.is_data))
        for name, value in of_files:
            if value is not None:
                msg = f"{name} belongs to plain files; a fileset carries it in its metadata"
                raise FilesetError(msg)

    @classmethod
    def of(cls, files: Self | str | Path | Iterable[str | Path], words: dict[str, Any]) -> Self:
        """Inputs from files and keywords as a notebook writes them; keywords that are its own are taken out of ``words``."""
        given = take(cls, words)
        if isinstance(files, cls):
            if given:
                msg = f"{', '.join(given)}: Inputs say that already"
                raise TypeError(msg)
            return files
        one = isinstance(files, str) or hasattr(files, "__fspath__")
        return cls(files=(files,) if one else tuple(files), **given)  # type: ignore[arg-type]

    def load(self, *, allow_duplicates: bool = False) -> dict[str, Any]:
        """The fileset: read and checked, or made from the plain files.

        Parameters
        ----------
        allow_duplicates
            Take one file under two names.

        Raises
        ------
        massgap.contracts.errors.FilesetError
            If the fileset is not valid, or a file or pattern gives nothing.
        """
        from massgap.contracts.filesets.fileset import fileset_from_files, load_fileset, validate_fileset
        from massgap.contracts.filesets.joined import join_filesets

        if self.fileset is None:
            made = fileset_from_files(
                list(self.files),
                self.process,
                xsec_fb=self.xsec_fb,
                is_data=bool(self.is_data),
                treename=self.tree or "Events",
                unnormalised=self.xsec_fb is None,
                allow_duplicates=allow_duplicates,
            )
            if self.is_data is None and self.xsec_fb is None:
                for entry in made.values():
                    del entry["metadata"]["is_data"]
            return made
        known = self.fileset
        if isinstance(known, (str, os.PathLike)):
            loaded = load_fileset(known, allow_duplicates=allow_duplicates)
        elif isinstance(known, dict):
            loaded = validate_fileset(known, allow_duplicates=allow_duplicates)
        else:
            loaded = join_filesets(known, allow_duplicates=allow_duplicates)
        if self.tree is not None:
            for entry in loaded.values():
                entry["files"] = dict.fromkeys(entry["files"], self.tree)
        return loaded


def take(kind: type, words: dict[str, Any]) -> dict[str, Any]:
    """Take the keywords that are fields of a dataclass out of ``words``.

    Examples
    --------
    >>> words = {"tree": "Nominal", "workers": 4}
    >>> take(Inputs, words), words
    ({'tree': 'Nominal'}, {'workers': 4})
    """
    return {field.name: words.pop(field.name) for field in fields(kind) if field.name in words}
