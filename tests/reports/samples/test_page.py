"""The page about samples, on small files with a known truth: what is right is ok, what is not is flagged."""

from __future__ import annotations

import json
import math
import tomllib
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from massgap.reports.errors import MissingInput, ReportError, UnreadableInput
from massgap.reports.samples.checks import poisson_fit
from massgap.reports.samples.detector import curves as samples_curves
from massgap.reports.samples.page import write_samples_report
from massgap.reports.samples.truth import invariant_mass

if TYPE_CHECKING:
    from pathlib import Path

CARD = """
name = "test"
description = "a detector for tests"
[tracking.muon]
pt = [0.1, 100.0]
eta = [0.0, 1.5, 2.5]
values = [[0.9, 0.8], [0.95, 0.85]]
[momentum.muon]
eta = [0.0, 1.5, 2.5]
constant = [0.02, 0.04]
slope = [1e-4, 2e-4]
[muon]
pt_min = 3.0
eta = [0.0, 2.4]
efficiency = [0.9]
[btag]
eta_max = 2.5
working_point = 0.3
b = [0.85, 0.0025, 25.0, 0.063]
c = [0.25, 0.018, 1.0, 0.0013]
light = [0.01, 3.8e-5]
"""
EDGE = 100.0
EVENTS = 3000


def _records(columns: dict[str, np.ndarray], counts: np.ndarray) -> Any:
    import awkward as ak

    return ak.unflatten(ak.zip(columns), counts)


def _write(path: Path, branches: dict[str, Any], summary: dict[str, Any] | None = None) -> None:
    import uproot

    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        tree = {name: values for name, values in branches.items() if len(values)}
        types = {name: v.dtype if isinstance(v, np.ndarray) else v.type.content for name, v in tree.items()}
        file.mktree("Events", types, counter_name=lambda name: f"n{name}")
        file["Events"].extend(tree)
        if summary is not None:
            file["massgap"] = json.dumps(summary)


def _spectrum(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """Numbers that fall like x**-3 between two limits."""
    u = rng.random(n)
    return (low**-2 - u * (low**-2 - high**-2)) ** -0.5


def _events(
    rng: np.random.Generator, n: int, low: float, high: float, *, width: float = 1.0
) -> dict[str, Any]:
    """Z bosons that decay to a muon each of which the detector sees as the card says, and b jets."""
    card = tomllib.loads(CARD)
    mass = np.clip(91.1876 + 0.5 * 2.4952 * np.tan(np.pi * (rng.random(n) - 0.5)), 40, 200)
    pt, eta = rng.uniform(10, 200, n), rng.uniform(-2.3, 2.3, n)
    phi = rng.uniform(-np.pi, np.pi, n)
    zero = np.zeros(n)
    gen = {
        "pt": np.stack([zero + 30, pt], 1).ravel(),
        "eta": np.stack([zero, eta], 1).ravel(),
        "phi": np.stack([zero, phi], 1).ravel(),
        "mass": np.stack([mass, zero + 0.10566], 1).ravel(),
        "pdgId": np.tile([23, 13], n).astype(np.int32),
        "status": np.tile([22, 1], n).astype(np.int32),
        "statusFlags": np.tile([8577, 8577], n).astype(np.uint16),
        "genPartIdxMother": np.tile([-1, 0], n).astype(np.int16),
    }
    # by hand, not by the code under test
    inner = np.abs(eta) < 1.5
    chance = 0.9 * np.where(inner, np.where(pt < 100, 0.9, 0.95), np.where(pt < 100, 0.8, 0.85))
    sigma = np.hypot(np.where(inner, 0.02, 0.04), np.where(inner, 1e-4, 2e-4) * pt)
    seen = rng.random(n) < chance
    muon = {
        "pt": (pt * (1 + width * sigma * rng.standard_normal(n)))[seen],
        "eta": eta[seen],
        "phi": phi[seen],
        "genPartIdx": np.ones(int(seen.sum()), dtype=np.int16),
        "tightId": np.ones(int(seen.sum()), dtype=bool),
    }
    jet_pt = rng.uniform(25, 300, n)
    tag = 0.85 * np.tanh(0.0025 * jet_pt) * 25 / (1 + 0.063 * jet_pt)
    jet = {
        "pt": jet_pt,
        "eta": rng.uniform(-2, 2, n),
        "phi": phi,
        "hadronFlavour": np.full(n, 5, dtype=np.uint8),
        "btagDeepFlavB": np.where(rng.random(n) < tag, 0.9, 0.1),
        "genJetIdx": np.zeros(n, dtype=np.int16),
    }
    assert card["btag"]["working_point"] == 0.3
    one = np.ones(n, dtype=np.int64)
    return {
        "genWeight": np.ones(n, dtype=np.float32),
        "Generator_binvar": _spectrum(rng, n, low, high).astype(np.float32),
        "GenMET_pt": rng.exponential(40, n).astype(np.float32),
        "GenPart": _records(gen, 2 * one),
        "Muon": _records(muon, seen.astype(np.int64)),
        "Jet": _records(jet, one),
        "GenJet": _records({"pt": jet_pt, "eta": jet["eta"], "phi": phi}, one),
    }


def _folder(path: Path, *, step: float = 1.0, width: float = 1.0, stray: int = 0, card: bool = True) -> Path:
    """Two slices of one spectrum; `step` multiplies the cross section of the upper one."""
    rng = np.random.default_rng(7)
    whole = 30.0**-2 - 600.0**-2
    fileset: dict[str, Any] = {}
    for name, low, high in (("low", 30.0, EDGE), ("high", EDGE, 600.0)):
        share = (low**-2 - high**-2) / whole
        events = _events(rng, EVENTS, low, high, width=width)
        if stray and name == "high":
            events["Generator_binvar"][:stray] = 50.0
        tried = round(EVENTS / share)
        summary = {
            "generated": EVENTS,
            "counters": {"tried": tried, "dropped": 0, "accepted": EVENTS},
            "cpu_s": {"generator": 9.0, "detector": 1.0},
        }
        _write(path / f"zz_{name}" / "block_0000.root", events, summary)
        xsec = 500.0 * share * (step if name == "high" else 1.0)
        fileset[f"zz_{name}"] = {
            "files": {f"zz_{name}/block_0000.root": "Events"},
            "metadata": {
                "process": "zz",
                "xsec_fb": xsec,
                "sum_weights": float(EVENTS),
                "hard_xsec_fb": 500.0,
                "filter_efficiency": xsec / 500.0,
                "n_events": EVENTS,
                "n_generated": EVENTS,
                "tranche": {"name": name, "group": "zz", "variable": "x", "min": low, "max": high},
                "description": "a process <for> tests",
                "generator": "by hand",
            },
        }
    (path / "fileset.json").write_text(json.dumps(fileset))
    if card:
        (path / "detector.toml").write_text(CARD)
    return path


def _checks(page: Path) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(page.with_suffix(".json").read_text())["checks"]}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_samples_report(_folder(tmp_path_factory.mktemp("good")))


def test_all_checks_of_a_good_folder_are_ok(good: Path) -> None:
    checks = _checks(good)
    flagged = [name for name, check in checks.items() if check["status"] == "look"]
    assert flagged == []
    for name in (
        "zz: step at 100 GeV",
        "zz: sum of slices over the whole",
        "zz: events outside their slice",
        "m(Z)",
        "width of Z",
        "muons: efficiency",
        "muons: efficiency in bins",
        "b tags of b jets: efficiency",
        "sum of weights",
    ):
        assert checks[name]["status"] == "ok", name
    assert checks["m(Z)"]["value"] == pytest.approx(91.1876, abs=0.15)
    assert checks["muons: efficiency"]["expected"] == pytest.approx(0.8, abs=0.03)


def test_page_is_self_contained_and_names_what_is_missing(good: Path) -> None:
    text = good.read_text(encoding="utf-8")

    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value or "" for key, value in attrs if key in {"src", "href"}]

    parser = Links()
    parser.feed(text)
    assert parser.found
    assert all(link.startswith(("data:", "#")) for link in parser.found)
    assert "a process &lt;for&gt; tests" in text
    assert "Mass of the W: no event of this folder has one." in text
    absent = json.loads(good.with_suffix(".json").read_text())["absent"]
    assert any(entry.startswith("Response of electrons") for entry in absent)
    # nine tenths of the time were the generator's, and 6,000 events took 20 s
    assert "90.0 %" in text
    assert ">300<" in text


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"step": 1.6}, "zz: step at 100 GeV"),
        ({"stray": 3}, "zz: events outside their slice"),
        ({"width": 1.2}, "muons, abs(eta) 0 to 1.5: resolution over the card's"),
    ],
)
def test_a_fault_is_flagged(tmp_path: Path, change: dict[str, Any], name: str) -> None:
    page = write_samples_report(_folder(tmp_path, **change), tmp_path / "out" / "page.html")
    check = _checks(page)[name]
    assert check["status"] == "look"
    if "step" in change:
        assert check["value"] == pytest.approx(1.6, abs=3 * check["error"])
    if "width" in change:
        assert check["value"] == pytest.approx(1.2, abs=0.06)
    assert f"<b>{name.replace(chr(39), '&#x27;')}</b>" in page.read_text(encoding="utf-8")


def test_efficiency_that_is_not_the_cards_is_flagged(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "detector.toml").write_text(CARD.replace("efficiency = [0.9]", "efficiency = [0.8]"))
    checks = _checks(write_samples_report(folder))
    assert checks["muons: efficiency"]["status"] == "look"
    assert checks["b tags of b jets: efficiency"]["status"] == "ok"


def test_without_card_and_with_a_damaged_file(tmp_path: Path) -> None:
    folder = _folder(tmp_path, card=False)
    (folder / "zz_high" / "block_0000.root").write_bytes(b"not a file of ROOT")
    page = write_samples_report(folder)
    written = json.loads(page.with_suffix(".json").read_text())
    assert any("detector.toml" in entry for entry in written["absent"])
    assert len(written["problems"]) == 1
    assert "zz_high/block_0000.root" in written["problems"][0]
    checks = _checks(page)
    assert checks["files that cannot be read"]["status"] == "look"
    assert checks["events missing or too many"]["value"] == EVENTS


def test_reference_is_laid_over_its_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    folder = _folder(tmp_path / "samples")
    events = _events(rng, 2000, 30.0, 600.0)
    _write(tmp_path / "same.root", {name: events[name] for name in ("genWeight", "Muon", "Jet")})
    events["Jet"]["pt"] = events["Jet"]["pt"] * 0.7
    _write(tmp_path / "softer.root", {name: events[name] for name in ("genWeight", "Muon", "Jet")})
    out = tmp_path / "page.html"
    same = _checks(write_samples_report(folder, out, reference={"zz": tmp_path / "same.root"}))
    assert same["zz: jet pT against same.root"]["status"] == "ok"
    assert same["zz: muon pT against same.root"]["status"] == "ok"
    softer = _checks(write_samples_report(folder, out, reference={"zz": tmp_path / "softer.root"}))
    assert softer["zz: jet pT against softer.root"]["status"] == "look"
    with pytest.raises(ReportError, match="no process 'tt'"):
        write_samples_report(folder, out, reference={"tt": tmp_path / "same.root"})
    with pytest.raises(MissingInput, match=r"absent\.root"):
        write_samples_report(folder, out, reference={"zz": tmp_path / "absent.root"})


def test_folder_without_or_with_damaged_fileset(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"fileset\.json"):
        write_samples_report(tmp_path)
    (tmp_path / "fileset.json").write_text("{")
    with pytest.raises(UnreadableInput, match=r"fileset\.json"):
        write_samples_report(tmp_path)


def _decay(
    rng: np.random.Generator, mother: np.ndarray, mass: float, one: float, two: float
) -> list[np.ndarray]:
    """Isotropic decay of E, px, py, pz into two bodies."""
    n = len(mother)
    p = math.sqrt((mass**2 - (one + two) ** 2) * (mass**2 - (one - two) ** 2)) / (2 * mass)
    direction = rng.standard_normal((n, 3))
    direction *= p / np.linalg.norm(direction, axis=1, keepdims=True)
    beta = mother[:, 1:] / mother[:, :1]
    gamma = mother[:, 0] / mass
    found = []
    for sign, m in ((1, one), (-1, two)):
        k, e = sign * direction, math.hypot(p, m)
        along = (beta * k).sum(1)
        boosted = k + beta * (gamma**2 / (gamma + 1) * along + gamma * e)[:, None]
        found.append(np.column_stack([gamma * (e + along), boosted]))
    return found


@pytest.mark.parametrize("shift", [0.0, 8.0])
def test_smuon_endpoint(tmp_path: Path, shift: float) -> None:
    """Smuons of 200 + `shift` GeV whose record says 200: only then does M_T2 exceed its end."""
    rng, n = np.random.default_rng(3), 800
    mass = 200.0 + shift
    rows = []
    for pdg in (1000013, -1000013):
        momentum = rng.normal(0, 50, (n, 3))
        momentum[:, 2] *= 4
        smuon = np.column_stack([np.sqrt(mass**2 + (momentum**2).sum(1)), momentum])
        muon, lsp = _decay(rng, smuon, mass, 0.0, 100.0)
        rows += [
            (pdg, smuon, 200.0, -1),
            (int(math.copysign(13, pdg)), muon, 0.0, None),
            (1000022, lsp, 100.0, None),
        ]
        assert np.allclose(invariant_mass(muon, lsp), mass)
    mothers = [-1, 0, 0, -1, 3, 3]
    p = np.stack([row[1] for row in rows], axis=1).reshape(-1, 4)
    pt = np.hypot(p[:, 1], p[:, 2])
    gen = {
        "pt": pt,
        "eta": np.arcsinh(p[:, 3] / pt),
        "phi": np.arctan2(p[:, 2], p[:, 1]),
        "mass": np.tile([row[2] for row in rows], n),
        "pdgId": np.tile([row[0] for row in rows], n).astype(np.int32),
        "genPartIdxMother": np.tile(mothers, n).astype(np.int16),
    }
    events = {"genWeight": np.ones(n, np.float32), "GenPart": _records(gen, np.full(n, 6))}
    _write(tmp_path / "a.root", events)
    meta = {
        "process": "smuons",
        "xsec_fb": 1.0,
        "sum_weights": float(n),
        "masses": {"m_slepton": 200.0, "m_lsp": 100.0},
    }
    (tmp_path / "fileset.json").write_text(
        json.dumps({"smuons": {"files": {"a.root": "Events"}, "metadata": meta}})
    )
    check = _checks(write_samples_report(tmp_path))["smuons: end of M_T2 of lepton-partner pairs"]
    assert check["status"] == ("look" if shift else "ok")
    assert (check["value"] > 1.0) == bool(shift)


def test_curves_of_the_card() -> None:
    card = tomllib.loads(CARD)
    pt, eta = np.array([50.0, 150.0, 50.0, 50.0]), np.array([0.3, -2.0, 2.45, -1.5])
    assert samples_curves.efficiency(card, "muon", pt, eta) == pytest.approx([0.81, 0.765, 0.0, 0.72])
    found = samples_curves.resolution(card, "muon", pt, eta)
    assert found[:2] == pytest.approx([math.hypot(0.02, 0.005), math.hypot(0.04, 0.03)])
    expected = 0.85 * math.tanh(0.125) * 25 / (1 + 0.063 * 50)
    assert samples_curves.btag(card, 5, pt, eta)[0] == pytest.approx(expected)
    assert samples_curves.btag(card, 0, pt, np.array([0, 3, 0, 0]))[:2] == pytest.approx([0.0119, 0.0])


def test_poisson_fit_of_a_constant() -> None:
    counts = np.array([4.0, 6.0, 5.0])
    fitted = poisson_fit(lambda theta: np.full(3, theta[0]), np.array([0.0]), counts)
    assert fitted is not None
    theta, covariance = fitted
    assert math.exp(theta[0]) == pytest.approx(5.0)
    assert covariance[0, 0] == pytest.approx(1 / 15, rel=1e-4)
