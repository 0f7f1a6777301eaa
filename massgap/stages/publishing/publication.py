"""Write a bundle: what a reinterpreter needs, and is rarely given."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from massgap.fits.planes.published import PublishedLikelihood
    from massgap.fits.workspaces.patch_sets import Patch
    from massgap.stages.publishing.bundle import Bundle
    from massgap.stages.publishing.sources import Source, SourceRun

__all__ = ["About", "publish"]


@dataclass(frozen=True)
class About:
    """What a publication says of itself.

    Attributes
    ----------
    title : str
        By default that of the analysis.
    authors : sequence of str
    licence : str
        SPDX identifier; HEPData's own is CC0-1.0.
    citation : str
        How it is to be cited.
    references : mapping
        Kind (``hepdata``, ``inspire``, ``arxiv``, ``doi``) -> identifier; ``hepdata`` is what pyhf's patch sets carry.
    """

    title: str = ""
    authors: Sequence[str] = ()
    licence: str = "CC0-1.0"
    citation: str = ""
    references: Mapping[str, str] | None = None


def publish(
    folder: str | Path,
    out: str | Path,
    *,
    likelihood: str | Path | None = None,
    about: About | None = None,
    command: str = "",
    announce: Callable[[str], None] | None = None,
) -> Bundle:
    """Publish a run or a study, so that others can test signals of their own with it.

    Parameters
    ----------
    folder
        Run or study with a plane or a fit.
    out
        Folder of the bundle; made, or replaced if it is a bundle.
    likelihood
        Plane or fit folder, if there are several.
    about
        Title, authors, licence, citation.
    command
        The command line, for the record.
    announce
        Called with a line when a step begins.

    Returns
    -------
    Bundle

    Raises
    ------
    BundleError
        If there is nothing to publish, or what was published would not give what was fitted.
    massgap.errors.MassgapError
        If a folder cannot be read.

    Examples
    --------
    >>> publish("runs/scored", "bundle").digest  # doctest: +SKIP
    """
    from massgap.stages.publishing.bundle import SUMS, open_bundle, write_sums
    from massgap.stages.publishing.sources import find_source

    say, out = announce or (lambda _: None), Path(out)
    if out.exists() and not (out.is_dir() and ((out / SUMS).is_file() or not any(out.iterdir()))):
        msg = f"{out} is there already and is no bundle: choose another folder (--out FOLDER)"
        raise BundleError(msg)
    say("making the likelihood again from the runs")
    source = find_source(folder, likelihood)
    for note in source.notes:
        say(f"note: {note}")
    part = out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        _write(source, part, about or About(), command, say)
        write_sums(part)
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    except OSError as error:
        msg = f"the bundle {out} cannot be written ({error.strerror or error}): choose another folder (--out FOLDER)"
        raise BundleError(msg) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return open_bundle(out)


def _write(source: Source, base: Path, about: About, command: str, say: Callable[[str], None]) -> None:
    from massgap.contracts.writing import NUMBERS, OPTIONAL, versions, write_json
    from massgap.source_code import package_digest
    from massgap.stages.publishing.bundle import BUNDLE_FORMAT, CODE
    from massgap.stages.publishing.documents import features_document, readme
    from massgap.stages.publishing.tables import write_tables

    first = source.runs[0].run
    references = {"hepdata": "ins0000000", **(about.references or {})}
    runs = [_run_entry(each, base) for each in source.runs]
    likelihoods = _write_likelihoods(source, base, references)
    write_json(base / "features.json", features_document(source, runs), default=None, allow_nan=False)
    say("writing tables of the signals")
    tables = write_tables(source, base)
    for each, entry in zip(source.runs, runs, strict=True):
        say("running the analysis over the validation events")
        entry["validation"] = _validation(each, entry, base)
    content = {
        "format": BUNDLE_FORMAT,
        **asdict(about),
        "title": about.title or first.description.title,
        "source": first.description.source,
        "references": references,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "command": command,
        "kind": "plane" if source.is_plane else "fit",
        "published": source.published,
        "profiled_cross_section": bool(source.results.get("xsec", {}).get("profiled")),
        "sqrt_s_tev": _energy(source),
        "detector": _detector(source, base),
        "runs": runs,
        "likelihoods": likelihoods,
        "points": [patch.name for patch in source.likelihoods[0][1]],
        "tables": tables,
        "versions": versions((*NUMBERS, *OPTIONAL)),
        "code": package_digest(only=CODE),
    }
    write_json(base / "bundle.json", content, default=None, allow_nan=False)
    (base / "README.md").write_text(readme(content, source), encoding="utf-8")


def _run_entry(each: SourceRun, base: Path) -> dict[str, Any]:
    from massgap.processors.base.variation_choice import VariationChoice
    from massgap.stages.publishing.analysis import publish_analysis, publish_models

    run = each.run
    signals = {n: m for n, m in run.manifest["datasets"].items() if m.get("is_signal")}
    options = dict(run.manifest.get("options") or {})
    if "variations" in options and signals:
        # A new signal has the systematics of the published ones, whatever its dataset is called.
        dataset, metadata = next(iter(signals.items()))
        choice = VariationChoice.of_option(options["variations"])
        options["variations"] = list(choice.for_dataset(dataset, metadata))
    prefix = f"{each.label}/" if each.label else ""
    return {
        "label": each.label,
        "analysis": publish_analysis(run, base),
        "options": options,
        "models": publish_models(run, base, prefix),
        **{key: run.manifest.get(key) for key in ("code_hash", "fileset_hash", "created", "command")},
        "datasets": {n: _public(m) for n, m in run.manifest["datasets"].items()},
    }


def _public(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What others may want to know of a dataset."""
    wanted = (
        "process",
        "xsec_fb",
        "hard_xsec_fb",
        "is_data",
        "is_signal",
        "sqrt_s_tev",
        "masses",
        "n_events",
        "n_generated",
        "filter_efficiency",
        "filter",
        "order",
        "xsec_source",
        "generator",
        "detector",
        "seed",
    )
    return {key: metadata[key] for key in wanted if key in metadata}


def _write_likelihoods(source: Source, base: Path, references: Mapping[str, str]) -> list[dict[str, Any]]:
    """Workspace, patch set and yields of each luminosity, and the results that were published."""
    from massgap.contracts.writing import write_atomically, write_json
    from massgap.fits.planes.signals import patch_set_of
    from massgap.fits.workspaces.workspace import dump_workspace

    folder = base / "likelihood"
    folder.mkdir()
    entries = []
    for found, patches in source.likelihoods:
        suffix = "" if len(source.likelihoods) == 1 else f"_{found.lumi_fb:g}"
        names = {key: f"likelihood/{key}{suffix}.json" for key in ("background", "patchset", "templates")}
        labels = _labels(patches)
        document = patch_set_of(
            patches, found.workspace, labels, f"{len(patches)} signals at {found.lumi_fb:g} fb-1"
        )
        document["metadata"]["references"] = dict(references)
        for key, content in (("background", found.workspace), ("patchset", document)):
            write_atomically(base / names[key], dump_workspace(content).encode())
        write_json(base / names["templates"], found.as_dict(), default=None, allow_nan=False)
        entries.append(
            {
                "lumi_fb": found.lumi_fb,
                "level": found.level,
                "observed": found.observed,
                "workspace": names["background"],
                "patch_set": names["patchset"],
                "templates": names["templates"],
                "digest": document["metadata"]["digests"]["sha256"],
            }
        )
    write_json(folder / "results.json", source.results, default=None, allow_nan=False)
    return entries


def _labels(patches: Sequence[Patch]) -> dict[str, str]:
    """Names of the values of patches, as pyhf's schema allows them."""
    return {label: "".join(c if c.isalnum() else "_" for c in label) for label in patches[0].values}


def _validation(each: SourceRun, entry: dict[str, Any], base: Path) -> dict[str, Any]:
    from massgap.stages.publishing.analysis import PublishedRun
    from massgap.stages.publishing.validation import write_validation

    folder = base / "validation" / each.label
    return write_validation(folder, each.run, PublishedRun.of(entry), base)


def _signal_datasets(source: Source) -> list[dict[str, Any]]:
    return [m for each in source.runs for m in each.run.manifest["datasets"].values() if m.get("is_signal")]


def _energy(source: Source) -> float | None:
    """Energy of the signals in TeV; None if it is not known, or there are several."""
    found = {float(m["sqrt_s_tev"]) for m in _signal_datasets(source) if m.get("sqrt_s_tev") is not None}
    return found.pop() if len(found) == 1 else None


def _detector(source: Source, base: Path) -> dict[str, Any] | None:
    """The card that the signals were made with: its name, or its copy in the bundle, and a hash of what it says."""
    from massgap.contracts.writing import digest
    from massgap.samples.detector.card import card_path, load_card
    from massgap.samples.errors import CardError

    names = {str(m["detector"]) for m in _signal_datasets(source) if m.get("detector")}
    if len(names) != 1:
        return None
    name = names.pop()
    try:
        content = load_card(name)
    except CardError:
        return None  # somebody's own card, which is not there any more
    target = base / "detector" / card_path(name).name
    target.parent.mkdir()
    shutil.copyfile(card_path(name), target)
    return {
        "name": name if not name.endswith(".toml") else None,
        "file": target.relative_to(base).as_posix(),
        "digest": digest(content),
    }


def likelihood_rows(found: PublishedLikelihood) -> list[dict[str, Any]]:
    """A row per channel: region, histogram, bins, events expected without signal, events observed."""
    rows = []
    for part in found.filled.parts:
        values, _ = part.templates.total(found.filled.backgrounds)
        rows.append(
            {
                "channel": part.templates.channel,
                "region": part.part.region,
                "histogram": part.part.histogram,
                "bins": len(values),
                "background": float(values.sum() * found.lumi_fb),
                "observed": None if part.observed is None else sum(part.observed),
            }
        )
    return rows
