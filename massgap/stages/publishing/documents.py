"""What a bundle says in words: its README, and the specification of observables and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.stages.publishing.sources import Source

__all__ = ["FEATURES_FORMAT", "features_document", "readme"]

FEATURES_FORMAT = "massgap-features-specification/1"
FOLDS = (
    "An event is held out in fold key mod n. Its key is a hash of run, luminosityBlock and event: with s(x) the output of SplitMix64 "
    "started in x, all in 64 bits, key = s(s(s(run) ^ luminosityBlock) ^ event). It is scored by the column of the model's output with "
    "the number of its fold: by the classifier that has not seen it. (massgap.models.folds.fold_key, held_out_fold)"
)
UNDEFINED = "A value that is not defined for an event is NaN."


def features_document(source: Source, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``features.json``: per run the observables, regions with their cuts, and scores with their inputs in order.

    The specification is executable: ``massgap recast`` computes all of it, as does
    ``massgap.processors.registry.make_processor(analysis, **options)``.
    """
    return {
        "format": FEATURES_FORMAT,
        "units": {"energies, momenta, masses": "GeV", "angles": "rad, azimuths in (-pi, pi]"},
        "undefined": UNDEFINED,
        "folds": FOLDS,
        "runs": [_of_run(each.run, entry) for each, entry in zip(source.runs, runs, strict=True)],
    }


def _of_run(run: Any, entry: Mapping[str, Any]) -> dict[str, Any]:
    described = run.description.as_dict()
    return {
        "label": entry["label"],
        "analysis": entry["analysis"],
        "options": entry["options"],
        "observables": described["features"],
        "regions": described["regions"],
        "scores": [_of_score(score, entry, run) for score in run.description.scores],
    }


def _of_score(score: Any, entry: Mapping[str, Any], run: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": score.name,
        "column": score.column,
        "regions": list(score.regions),
        "model": None,
    }
    model = entry["models"].get(score.name)
    if model is None:
        return found
    from massgap.models.scoring.scorer import OnnxScorer

    scorer = OnnxScorer(_content_of(run, score.name), hypothesis="columns")
    units = {feature.name: feature.unit for feature in run.description.features}
    metadata = scorer.metadata
    return {
        **found,
        "model": model["file"],
        "inputs": [{"name": name, "unit": units.get(name, "")} for name in scorer.features],
        "missing": metadata.get("massgap.preprocessing") or "as the model does; see its card",
        "n_folds": scorer.n_folds,
        "fold_rule": scorer.fold_rule or "key",
        "met": metadata.get("massgap.met") or entry["options"].get("met"),
    }


def _content_of(run: Any, score: str) -> str:
    return str(run.manifest["models"][score]["file"])


def readme(content: Mapping[str, Any], source: Source) -> str:
    """``README.md`` of a bundle."""
    from massgap.stages.publishing.publication import likelihood_rows

    found = source.likelihoods[0][0]
    name = source.runs[0].run.description.analysis or content["runs"][0]["analysis"]
    energy = "" if content["sqrt_s_tev"] is None else f" at {content['sqrt_s_tev']:g} TeV"
    lumis = ", ".join(f"{entry['lumi_fb']:g}" for entry in content["likelihoods"])
    seen = (
        "data were observed"
        if found.observed
        else "nothing was observed yet: CLs are expected ones (the observations of the workspace are the expectation)"
    )
    lines = [
        f"# {content['title'] or name}",
        "",
        (
            f"The search `{name}`{energy}, {lumis} fb-1, with {len(content['points'])} published signal(s); {seen}. "
            f"Made by massgap {content['versions'].get('massgap')} on {content['created'][:10]}."
        ),
        "",
        *_use_lines(),
        *_code_lines(content),
        "## What is here",
        "",
        *_file_lines(content),
        "",
        "## The likelihood",
        "",
        "| channel | region | fitted | bins | background (events) | observed |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['channel']} | {row['region']} | {row['histogram']} | {row['bins']} | {row['background']:.5g} | "
            f"{'-' if row['observed'] is None else format(row['observed'], 'g')} |"
            for row in likelihood_rows(found)
        ),
        "",
        f"At {found.lumi_fb:g} fb-1; limits at {100 * found.level:g} % confidence level (CLs, asymptotic formulae of arXiv:1007.1727).",
        "",
        "## Units and sources",
        "",
        (
            "Energies, momenta and masses in GeV, angles in radians, cross sections in fb, luminosities in fb-1. "
            "Efficiencies are shares of all produced events."
        ),
        "",
        f"- analysis: {content['source'] or 'its own code, see below'}",
        *_sample_lines(content),
        f"- made by: `{content['command'] or 'a call from Python'}`; versions of all libraries are in `bundle.json`",
        "",
        "## Licence and citation",
        "",
        f"- licence of the data: {content['licence']}",
        f"- authors: {', '.join(content['authors']) or 'not named'}",
        f"- cite: {content['citation'] or _citation(content['references'])}",
        "",
    ]
    return "\n".join(lines)


def _citation(references: Mapping[str, str]) -> str:
    known = [f"{kind} {value}" for kind, value in references.items() if value != "ins0000000"]
    return ", ".join(known) or "not published yet; massgap itself is cited as its CITATION.cff says"


def _use_lines() -> list[str]:
    return [
        "## A signal of your own",
        "",
        "```",
        'pip install "massgap[generator]"                # without [generator] where no .lhe file is showered',
        "massgap recast BUNDLE --check                  # is this installation right?",
        "massgap recast BUNDLE my.root --xsec 12.5      # NanoAOD, PHYSLITE or Delphes; fb",
        "massgap recast BUNDLE my.lhe.gz                # showered and simulated first; cross section of the file",
        "```",
        "",
        (
            "BUNDLE is this folder. The answer is CLs (observed and expected), the upper limit in units of the cross section and in fb, and the "
            "efficiency per region, with the statistical uncertainty of your sample. Every file here is compared with `SHA256SUMS` first "
            "(`sha256sum -c SHA256SUMS` does the same)."
        ),
        "",
    ]


def _code_lines(content: Mapping[str, Any]) -> list[str]:
    files = [run["analysis"].partition(":")[0] for run in content["runs"] if ".py:" in run["analysis"]]
    if not files:
        return []
    return [
        f"The analysis is not part of massgap: its source is `{files[0]}`, which you should read before `--trust-code` lets it run.",
        "",
    ]


def _file_lines(content: Mapping[str, Any]) -> list[str]:
    lines = [
        (
            "- `likelihood/`: workspace without signal, patch set (a signal per patch; HistFactory JSON of pyhf), yields of the backgrounds in fb "
            "with their variations, and the published results"
        ),
        (
            "- `features.json`: observables with units and labels, regions with cuts, inputs of the scores in their order, what is done with missing "
            "values, and how events find their fold"
        ),
        "- `tables/`: cutflows, and efficiencies per signal and channel with their statistical errors",
    ]
    if content["tables"]["hepdata"]:
        lines.append("- `hepdata/`: tables for HEPData; `hepdata.tar.gz` is what is uploaded there")
    models = [model for run in content["runs"] for model in run["models"].values()]
    if models:
        lines.append("- `models/`: ONNX files, a column per fold, with their cards")
    for run in content["runs"]:
        validation = run["validation"]
        if validation["kind"] == "events":
            lines.append(
                f"- `validation/`: events with all their branches; of {validation['selected']} that are selected, the features and scores that "
                "have to come out"
            )
        elif validation["kind"] == "scores":
            lines.append(
                f"- `validation/`: features and scores of {validation['selected']} selected events ({validation['why']})"
            )
    if content["detector"]:
        lines.append("- `detector/`: the card of the parametrised detector of the signals")
    return lines


def _sample_lines(content: Mapping[str, Any]) -> list[str]:
    found: dict[str, str] = {}
    for run in content["runs"]:
        for metadata in run["datasets"].values():
            if metadata.get("is_data"):
                continue
            told = [str(metadata[key]) for key in ("xsec_source", "order", "generator") if metadata.get(key)]
            number = metadata.get("hard_xsec_fb") or metadata.get("xsec_fb")
            found.setdefault(
                str(metadata["process"]),
                f"- {metadata['process']}: {number:.5g} fb{' (' + '; '.join(told) + ')' if told else ''}",
            )
    return list(found.values())[:40]
