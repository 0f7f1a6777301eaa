"""Whether an installation gives the features and scores of a bundle: its validation events are run again, and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.stages.publishing.bundle import REMEDY, open_bundle

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from massgap.stages.publishing.bundle import Bundle

__all__ = ["CHECK_FORMAT", "BundleCheck", "check_bundle"]

CHECK_FORMAT = "massgap-bundle-check/1"
FEATURE, SCORE = 1e-5, 2e-6
"""Largest accepted differences: of a feature in units of itself (or of 1, if that is larger), of a score absolutely. Single precision
has 6e-8; a score may differ by what compiled trees and onnxruntime may."""


@dataclass
class BundleCheck:
    """What became of the validation events.

    Attributes
    ----------
    bundle, digest : str
        Folder, and hash that stands for all files.
    runs : list of dict
        Per run of the likelihood ``label``, ``kind`` (``events``, ``scores``, ``none``), ``events`` (selected ones), ``lost`` and ``new`` (selected then and
        not now, and the other way round), ``columns``: a list of ``name``, ``kind`` (``feature``, ``score``, ``region``), ``same`` (values equal to the
        last bit), ``compared``, ``largest`` (difference), ``ok``.
    notes : list of str
        Versions that differ.
    """

    bundle: str
    digest: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """What does not come out, one sentence each."""
        out = []
        for run in self.runs:
            where = f"run {run['label']}: " if run["label"] else ""
            if run["lost"] or run["new"]:
                out.append(
                    f"{where}{run['lost']} events are not selected any more, and {run['new']} others are"
                )
            out += [
                f"{where}{column['name']} differs by up to {column['largest']:.3g} in {column['compared'] - column['same']} of "
                f"{column['compared']} events"
                for column in run["columns"]
                if not column["ok"]
            ]
        return out

    @property
    def ok(self) -> bool:
        """Whether this installation gives what was published; not where there was nothing to compare."""
        return any(run["columns"] for run in self.runs) and not self.problems()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"format": CHECK_FORMAT, "ok": self.ok, "problems": self.problems(), **asdict(self)}


def check_bundle(bundle: str | Path | Bundle, *, trust_code: bool = False) -> BundleCheck:
    """Run the validation events of a bundle through the analysis and its models, and compare.

    Parameters
    ----------
    bundle
        Folder that ``massgap publish`` has written.
    trust_code
        Run the source of an analysis that the bundle brings.

    Returns
    -------
    BundleCheck
        Look at its ``ok``: a difference raises nothing.

    Raises
    ------
    BundleError
        If a file of the bundle was changed.
    """
    opened = open_bundle(bundle)
    found = BundleCheck(str(opened.path), opened.digest, notes=opened.notes())
    for entry in opened.content["runs"]:
        found.runs.append(_checked(opened, entry, trust_code=trust_code))
    return found


def _checked(bundle: Bundle, entry: dict[str, Any], *, trust_code: bool) -> dict[str, Any]:
    from massgap.stages.publishing.analysis import PublishedRun
    from massgap.stages.publishing.validation import computed_rows

    validation = entry["validation"]
    about = {"label": entry["label"], "kind": validation["kind"], "why": validation.get("why", "")}
    if validation["kind"] == "none":
        return {**about, "events": 0, "lost": 0, "new": 0, "columns": []}
    expected = _read(bundle, validation["expected"])
    if validation["kind"] == "scores":
        found = _scores(bundle, entry, expected)
        names = [name for name in expected.columns if name.startswith("score")]
    else:
        files = {name: bundle.path / file for name, file in validation["files"].items()}
        tables = computed_rows(
            PublishedRun.of(entry), bundle.path, files, validation["metadata"], trust=trust_code
        )
        found = _joined(tables, expected)
        names = [name for name in expected.columns if name not in ("dataset", "fold_key", "channel")]
    one, two, lost, new = _matched(expected, found)
    columns = [_compared(name, one, two, validation["features"]) for name in names]
    return {**about, "events": len(expected), "lost": lost, "new": new, "columns": columns}


def _read(bundle: Bundle, name: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from massgap.contracts.errors import BundleError

    try:
        return pq.read_table(bundle.path / name).to_pandas()
    except (OSError, pa.ArrowException) as error:
        msg = f"{bundle.path / name} cannot be read ({str(error).splitlines()[0]}). {REMEDY}"
        raise BundleError(msg) from error


def _joined(tables: dict[str, pd.DataFrame], expected: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    if not tables:
        return expected.head(0)
    return pd.concat([table.assign(dataset=name) for name, table in tables.items()], ignore_index=True)


def _matched(expected: pd.DataFrame, found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, int, int]:
    """The rows of events that both have, in one order, and how many only one of them has."""
    keys = ["dataset", "fold_key"]
    one, two = expected.set_index(keys).sort_index(), found.set_index(keys).sort_index()
    both = one.index.intersection(two.index)
    return one.loc[both], two.loc[both], len(one) - len(both), len(two) - len(both)


def _compared(name: str, one: pd.DataFrame, two: pd.DataFrame, features: list[str]) -> dict[str, Any]:
    kind = "feature" if name in features else "score" if name.startswith("score") else "region"
    about = {"name": name, "kind": kind, "compared": len(one)}
    if name not in two:
        return {**about, "same": 0, "largest": 1e308, "ok": False}
    a, b = (np.asarray(table[name].to_numpy(), dtype=np.float64) for table in (one, two))
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        difference = np.where(equal, 0.0, np.abs(a - b))
    # A value on one side only is as far from the other as can be.
    difference[np.isnan(difference)] = np.inf
    scale = np.maximum(np.abs(a), 1.0) if kind == "feature" else 1.0
    most = {"feature": FEATURE, "score": SCORE, "region": 0.0}[kind]
    largest = float(difference.max(initial=0.0))
    return {
        **about,
        "same": int(equal.sum()),
        "largest": largest if np.isfinite(largest) else 1e308,
        "ok": bool((equal | (difference <= most * scale)).all()),
    }


def _scores(bundle: Bundle, entry: dict[str, Any], expected: pd.DataFrame) -> pd.DataFrame:
    """The scores of rows of features."""
    from massgap.models.folds import held_out_fold
    from massgap.models.scoring.hypothesis import hypothesis_of_score
    from massgap.models.scoring.scorer import OnnxScorer

    found = expected.copy()
    for score, model in entry["models"].items():
        column = "score" if score == "score" else f"score_{score}"
        if column not in expected:
            continue
        # A fold that the event number alone decides cannot be told from the key.
        hypothesis = hypothesis_of_score(entry["options"].get("hypothesis"), score)
        scorer = OnnxScorer(bundle.path / model["file"], hypothesis=hypothesis)
        if scorer.fold_rule:
            continue
        rows = expected[column].notna().to_numpy()
        values = np.full(len(expected), np.nan, dtype=np.float32)
        keys = expected["fold_key"].to_numpy(np.uint64)[rows]
        values[rows] = scorer.score(
            {name: expected[name].to_numpy()[rows] for name in scorer.features},
            held_out_fold(keys, scorer.n_folds),
        )
        found[column] = values
    return found
