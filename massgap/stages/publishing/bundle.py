"""The bundle: what ``massgap publish`` writes for others, and ``massgap recast`` tests new signals with.

- ``SHA256SUMS``: the hash of every other file, as ``sha256sum -c SHA256SUMS`` reads it;
- ``bundle.json``: what was published, by whom, under which licence, by which versions; ``runs``, an entry for each run of the
  likelihood with ``label``, ``analysis``, ``options``, ``models`` (score -> file) and hashes of code and fileset; ``likelihoods``, an
  entry for each luminosity with ``lumi_fb``, ``workspace``, ``patch_set``, ``templates``; ``points``; ``sqrt_s_tev``; ``detector``;
- ``README.md``: how it is used, units, sources; ``features.json``: observables, regions, scores;
- ``likelihood/``: per luminosity the workspace without signal, the patch set, and the yields of the backgrounds
  (:mod:`massgap.fits.planes.published`); ``results.json``: the plane or fit that was published;
- ``models/``: an ONNX file per score that knows its folds, with its card;
- ``analysis/``: the source of an analysis that is none of the package's;
- ``tables/``: cutflows and efficiencies of the signals; ``hepdata/``, where its library was installed;
- ``validation/``: events and the features and scores that they have to have;
- ``detector/``: the card that simulated events were made with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError
from massgap.contracts.writing import read_json, write_atomically

if TYPE_CHECKING:
    from massgap.fits.planes.published import PublishedLikelihood

__all__ = ["BUNDLE_FORMAT", "SUMS", "Bundle", "open_bundle", "write_sums"]

BUNDLE_FORMAT = "massgap-bundle/1"
SUMS, CONTENT = "SHA256SUMS", "bundle.json"
REMEDY = "Fetch the bundle again, or make it with massgap publish RUN --out BUNDLE"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are those that were published.

    Attributes
    ----------
    path : path
    content : dict
        Content of ``bundle.json``, see the module.
    digest : str
        SHA-256 of ``SHA256SUMS``: it stands for all files.
    """

    path: Path
    content: dict[str, Any] = field(repr=False)
    digest: str

    @property
    def luminosities(self) -> list[float]:
        """In fb-1, the first one is taken where none is asked for."""
        return [float(entry["lumi_fb"]) for entry in self.content["likelihoods"]]

    def likelihood(self, lumi_fb: float | None = None) -> PublishedLikelihood:
        """The likelihood of a luminosity (fb-1), by default of the first.

        Raises
        ------
        BundleError
            If there is none.
        """
        from massgap.fits.planes.published import TEMPLATES_FORMAT, PublishedLikelihood

        wanted = self.luminosities[0] if lumi_fb is None else lumi_fb
        entry = next((e for e in self.content["likelihoods"] if float(e["lumi_fb"]) == wanted), None)
        if entry is None:
            there = ", ".join(f"{lumi:g}" for lumi in self.luminosities)
            msg = f"{self.path} has no likelihood for {wanted:g} fb-1; it has {there} fb-1 (--lumi {self.luminosities[0]:g})"
            raise BundleError(msg)
        templates = read_json(
            self.path / entry["templates"], TEMPLATES_FORMAT, remedy=REMEDY, error=BundleError
        )
        workspace = read_json(self.path / entry["workspace"], remedy=REMEDY, error=BundleError)
        return PublishedLikelihood.from_dict(templates, workspace)

    def notes(self) -> list[str]:
        """What a user of the bundle should know of the package that made it, in sentences."""
        from massgap.contracts.writing import versions
        from massgap.source_code import package_digest

        made, now = self.content["versions"], versions()
        name = self.path
        out = []
        if made.get("massgap") != now.get("massgap"):
            out.append(
                f"{name} was made by massgap {made.get('massgap')}, this is {now.get('massgap')}: massgap recast {name} --check says whether "
                f'its numbers still come out, pip install "massgap=={made.get("massgap")}" gives the version that made it'
            )
        elif self.content["code"] != package_digest(only=CODE):
            out.append(
                f"{name} was made by other code of massgap {now.get('massgap')}: massgap recast {name} --check says whether its numbers still "
                "come out"
            )
        others = [k for k in made if k != "massgap" and k in now and made[k] != now[k]]
        if others:
            changes = ", ".join(f"{k} {made[k]} then, {now[k]} now" for k in others)
            out.append(f"{name} was made with other libraries: {changes}")
        return out


CODE = ("selections", "processors", "events", "models", "fits", "arrays")
"""Where the code lies that decides what a bundle gives."""


def write_sums(folder: Path) -> str:
    """Write the hashes of all files of a folder; the hash of that list is returned."""
    text = _listing({name: _hash(folder / name) for name in _files(folder)})
    write_atomically(folder / SUMS, text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def open_bundle(path: str | Path | Bundle) -> Bundle:
    """Read a bundle, and compare every file with the hash that was published of it; one that was read is returned as it is.

    Raises
    ------
    BundleError
        If it is none, or a file is missing, changed, or was added.
    """
    if isinstance(path, Bundle):
        return path
    folder = Path(path)
    if not folder.is_dir():
        msg = f"{folder} is no bundle: give the folder that massgap publish has written (massgap publish RUN --out BUNDLE)"
        raise BundleError(msg)
    try:
        raw = (folder / SUMS).read_bytes()
    except OSError as error:
        msg = f"{folder / SUMS} cannot be read ({error.strerror}): {folder} is no bundle. {REMEDY}"
        raise BundleError(msg) from error
    wanted = _parsed(raw, folder)
    there = set(_files(folder))
    for name in sorted(there - set(wanted)):
        msg = f"{folder / name} is not in {SUMS}: it was added since, or the list was changed; take it out of the folder. {REMEDY}"
        raise BundleError(msg)
    for name, sha256 in wanted.items():
        if name not in there:
            msg = f"{folder / name} is missing, which {SUMS} lists. {REMEDY}"
            raise BundleError(msg)
        try:
            same = _hash(folder / name) == sha256
        except OSError as error:
            msg = f"{folder / name} cannot be read ({error.strerror or error}). {REMEDY}"
            raise BundleError(msg) from error
        if not same:
            msg = f"{folder / name} was changed since the bundle was published: its SHA-256 is not that of {SUMS}. {REMEDY}"
            raise BundleError(msg)
    content = read_json(folder / CONTENT, BUNDLE_FORMAT, remedy=f"{REMEDY}.", error=BundleError)
    return Bundle(folder, content, hashlib.sha256(raw).hexdigest())


def _parsed(raw: bytes, folder: Path) -> dict[str, str]:
    """File -> hash; a list that is not exactly as it was written is refused."""
    try:
        lines = [line.split("  ", 1) for line in raw.decode().splitlines()]
        found = {name: sha256 for sha256, name in lines}
    except ValueError:
        found = {}
    if not found or _listing(found).encode() != raw:
        msg = f"{folder / SUMS} was changed since the bundle was published: it is no list of hashes any more. {REMEDY}"
        raise BundleError(msg)
    return found


def _listing(found: dict[str, str]) -> str:
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(found.items()))


def _files(folder: Path) -> list[str]:
    """All files but the list itself, relative to the folder; hidden ones, as file browsers leave them, do not count.

    A link to a folder counts as a file: what is behind it would be imported, or read, with no hash.
    """
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and path != folder / SUMS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
