"""The analysis of a run as a bundle has it: what it is called, its options, its models; and its source, if it is no shipped one."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.contracts.run_folder import RunFolder
    from massgap.runner.result import RunResult

__all__ = ["PublishedRun", "publish_analysis", "publish_models"]


@dataclass(frozen=True)
class PublishedRun:
    """A run of a bundle.

    Attributes
    ----------
    label : str
        What the likelihood calls it, "" where there is one.
    analysis : str
        Name of an analysis; of one's own ``analysis/FILE.py:Class`` in the bundle.
    options : dict
        Of its constructor.
    models : dict
        Score -> ONNX file, relative to the bundle.
    """

    label: str
    analysis: str
    options: dict[str, Any] = field(repr=False)
    models: dict[str, str]

    @classmethod
    def of(cls, entry: dict[str, Any]) -> PublishedRun:
        """From an entry of ``runs`` of ``bundle.json``."""
        models = {name: model["file"] for name, model in entry["models"].items()}
        return cls(entry["label"], entry["analysis"], entry["options"], models)

    @property
    def has_code(self) -> bool:
        """Whether the bundle brings the source of the analysis."""
        return ".py:" in self.analysis

    def run(
        self,
        base: Path,
        fileset: dict[str, Any],
        out: Path,
        *,
        trust: bool,
        variations: Any = None,
        **words: Any,
    ) -> RunResult:
        """Run the analysis over a fileset and write a run folder.

        Parameters
        ----------
        base
            The bundle.
        fileset, out
            As of :func:`massgap.stages.processing.run`.
        trust
            Run code that the bundle brings.
        variations
            In place of those of the options.
        **words
            Of :func:`massgap.stages.processing.run`.

        Raises
        ------
        BundleError
            If the bundle brings code and it is not trusted, or events are lost.
        """
        from massgap.stages.processing import run
        from massgap.stages.verification import with_tuples

        options = {name: with_tuples(value) for name, value in self.options.items()}
        options["features"] = True
        if variations is not None:
            options["variations"] = variations
        models = {name: str(base / file) for name, file in self.models.items()}
        with self._code(base, trust=trust) as analysis:
            result = run(analysis, fileset=fileset, out=out, model=models or None, options=options, **words)  # type: ignore[arg-type]
        _require_all_read(result)
        return result

    @contextlib.contextmanager
    def _code(self, base: Path, *, trust: bool) -> Iterator[str]:
        """What the analysis is called; its source is imported from a copy, as importing writes files beside it."""
        if not self.has_code:
            yield self.analysis
            return
        if not trust:
            msg = (
                f"{base} brings the source of its analysis, {self.analysis.partition(':')[0]}: read it, and let it be run with "
                "--trust-code"
            )
            raise BundleError(msg)
        with tempfile.TemporaryDirectory(prefix="massgap-analysis-") as scratch:
            shutil.copytree(base / "analysis", Path(scratch) / "analysis")
            yield str(Path(scratch) / self.analysis)


def _require_all_read(result: RunResult) -> None:
    """Refuse lost events; options of ``massgap run``, which its errors name, are those of the bundle here."""
    from massgap.contracts.errors import IncompleteRunError

    try:
        result.require_complete()
    except IncompleteRunError as error:
        msg = (
            f"{error} massgap recast runs the analysis as it was published, and changes none of its options: give it whole event files that have what "
            "the published ones had"
        )
        raise BundleError(msg) from error


def publish_analysis(run: RunFolder, base: Path) -> str:
    """Copy the source of an analysis into a bundle, unless it comes with the package; what the bundle calls it is returned.

    Raises
    ------
    BundleError
        If its file is not where it was, or imports others outside of its folder.
    """
    from massgap.source_code import imported_files, is_own_file

    name = str(run.manifest["analysis"])
    file, _, cls = name.rpartition(":")
    if not file.endswith(".py"):
        return name
    path = Path(file)
    if not path.is_file():
        msg = f"{file}, the analysis of {run.path}, is not there: type massgap publish in the folder in which massgap run was typed"
        raise BundleError(msg)
    home = path.absolute().parent
    for each in imported_files(path):
        if not is_own_file(each):
            continue
        if not each.is_relative_to(home):
            msg = f"{file} imports {each}, which is not beside it: move it into the folder of {path.name} and run again"
            raise BundleError(msg)
        target = base / "analysis" / each.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(each, target)
    return f"analysis/{path.name}:{cls}"


def publish_models(run: RunFolder, base: Path, prefix: str) -> dict[str, dict[str, Any]]:
    """Copy the models of a run into a bundle, each as one ONNX file, and what is written of them.

    Returns
    -------
    dict
        Score -> ``file``, ``sha256``, ``card`` (or None), ``training_hash``, ``metadata``.

    Raises
    ------
    BundleError
        If a model is not the one that scored the run.
    """
    from massgap.contracts.writing import write_atomically
    from massgap.models.model_content import read_content

    found: dict[str, dict[str, Any]] = {}
    for score, model in (run.manifest.get("models") or {}).items():
        name, content = read_content(model["file"])
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != model["sha256"]:
            msg = f"{name} is another model than the one that scored {run.path}: put that one back there, or run the analysis again"
            raise BundleError(msg)
        folder = base / "models" / f"{prefix}{score}"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{score}.onnx", content)
        card = Path(name).with_name("card.md")
        if card.is_file():
            shutil.copyfile(card, folder / "card.md")
        found[score] = {
            "file": (folder / f"{score}.onnx").relative_to(base).as_posix(),
            "sha256": sha256,
            "card": (folder / "card.md").relative_to(base).as_posix() if card.is_file() else None,
            "training_hash": model.get("training_hash"),
            "engine": model.get("engine"),
        }
    return found
