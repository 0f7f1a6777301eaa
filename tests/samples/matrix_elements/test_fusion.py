"""Events and cross sections of wino pairs by boson fusion: against MadGraph's files, and what a user gets."""

from __future__ import annotations

import gzip
import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import ks_2samp

pytest.importorskip("pythia8mc")

from massgap.cli import main
from massgap.samples.errors import GenerationError
from massgap.samples.lhe.file import read_lhe
from massgap.samples.matrix_elements.adaptive_grid import AdaptiveGrid
from massgap.samples.matrix_elements.couplings import FINAL_STATES
from massgap.samples.matrix_elements.densities import density_table, interpolated_densities
from massgap.samples.matrix_elements.event_file import key_of_file, write_event_file
from massgap.samples.matrix_elements.fusion import FusionGenerator
from massgap.samples.matrix_elements.phase_space import JetCuts
from massgap.samples.physics.cross_sections import parton_density


def read_events(path):
    """Momenta (E, x, y, z), PDG numbers and the lines of the events of a gzipped file."""
    momenta, pdg = [], []
    with gzip.open(path, "rt") as stream:
        for line in stream:
            if line.strip() == "<event>":
                n = int(next(stream).split()[0])
                rows = [next(stream).split() for _ in range(n)]
                pdg.append([int(row[0]) for row in rows])
                momenta.append([[float(row[9]), *map(float, row[6:9])] for row in rows])
    return np.array(momenta), np.array(pdg)


def observables(j1, j2, k1, k2):
    def pt(p):
        return np.hypot(p[:, 1], p[:, 2])

    def eta(p):
        return np.arcsinh(p[:, 3] / pt(p))

    def mass(p):
        return np.sqrt(np.maximum(p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1), 0.0))

    def rapidity(p):
        return np.arctanh(p[:, 3] / p[:, 0])

    first = (pt(j1) >= pt(j2))[:, None]
    a, b = np.where(first, j1, j2), np.where(first, j2, j1)
    angle = np.arctan2(a[:, 2], a[:, 1]) - np.arctan2(b[:, 2], b[:, 1])
    return {
        "pt_j1": pt(a),
        "pt_j2": pt(b),
        "eta_j1": eta(a),
        "eta_j2": eta(b),
        "deta": np.abs(eta(a) - eta(b)),
        "dphi": np.abs((angle + np.pi) % (2 * np.pi) - np.pi),
        "m_jj": mass(a + b),
        "m_chi_chi": mass(k1 + k2),
        "pt_chi_chi": pt(k1 + k2),
        "y_chi_chi": rapidity(k1 + k2),
        "pt_chi": np.maximum(pt(k1), pt(k2)),
        "dy_chi": np.abs(rapidity(k1) - rapidity(k2)),
    }


@pytest.fixture(scope="module")
def generator():
    made = FusionGenerator(200.0)
    made.integrate(rounds=4, points=8000, last=20_000)
    return made


@pytest.mark.parametrize(("m", "xsec_fb"), [(200, 3.002), (400, 0.2627)])
def test_cross_section_and_shapes_of_the_files(real_files, m, xsec_fb):
    """MadGraph at 13 TeV with CTEQ6L1, u and d quarks, three of the pairs, jets in opposite hemispheres with m_jj > 300 GeV.

    Twelve shapes; the files hold all graphs, so this also says that what is left out here does not matter.
    """
    cuts = JetCuts(mass=300.0, opposite=True)
    made = FusionGenerator(m, 13.0, cuts, pdf_set=8, families=1, states=FINAL_STATES[:3], seed=5)
    events, integral = made.events(12_000)
    assert integral.error_fb < 0.005 * xsec_fb
    assert integral.xsec_fb == pytest.approx(xsec_fb, rel=0.03)
    p, pdg = read_events(real_files / "lhe" / f"ewk_m{m}.lhe.gz")
    theirs = observables(p[:, 4], p[:, 5], p[:, 2], p[:, 3])
    ours = observables(*(events.momenta[:, k] for k in (2, 3, 4, 5)))
    found = {name: ks_2samp(ours[name], theirs[name]).pvalue for name in theirs}
    assert min(found.values()) > 0.01, found
    # shares of C1+ N2, C1- N2, C1+ C1-: within five deviations
    kinds = np.sort(pdg[:, 2:4], axis=1)
    for state in FINAL_STATES[:3]:
        share = (kinds == np.sort(state.pdg)).all(axis=1).mean()
        mine = (events.state == FINAL_STATES.index(state)).mean()
        assert abs(mine - share) < 5 * np.sqrt(2 * share * (1 - share) / 12_000)


def test_events_are_physical(generator):
    events, _ = generator.events(500)
    p, pdg = events.momenta, events.pdg
    charge = {1: -1, 2: 2, 3: -1, 4: 2, 1000023: 0, 1000024: 3}
    thirds = np.vectorize(lambda kind: charge[abs(kind)] * np.sign(kind))(pdg)
    np.testing.assert_array_equal(thirds[:, :2].sum(axis=1), thirds[:, 2:].sum(axis=1))
    np.testing.assert_allclose(p[:, :2].sum(axis=1), p[:, 2:].sum(axis=1), atol=1e-7)
    # a line stays in its family, and an antiquark an antiquark
    family = (np.abs(pdg[:, :4]) + 1) // 2
    np.testing.assert_array_equal(family[:, :2], family[:, 2:4])
    np.testing.assert_array_equal(np.sign(pdg[:, :2]), np.sign(pdg[:, 2:4]))
    shapes = observables(*(p[:, k] for k in (2, 3, 4, 5)))
    assert shapes["pt_j2"].min() > 20
    assert shapes["deta"].min() > 2.5
    assert shapes["m_jj"].min() > 200
    assert np.abs(np.concatenate([shapes["eta_j1"], shapes["eta_j2"]])).max() < 5
    angle = np.arctan2(p[:, 2, 2], p[:, 2, 1])
    assert ks_2samp(angle, np.random.default_rng(1).uniform(-np.pi, np.pi, 5000)).pvalue > 1e-3


def test_weights_are_one_but_for_a_few(generator):
    events, _ = generator.events(2000)
    assert (events.weight >= 1).all()
    assert (events.weight > 1).mean() < 0.02
    assert (events.weight - 1).sum() < 0.01 * len(events)


def test_the_grid_changes_the_variance_and_not_the_integral():
    narrow = FusionGenerator(300.0, seed=11)
    first = narrow.integrate(rounds=0, last=40_000)
    second = narrow.integrate(rounds=4, points=8000, last=40_000)
    assert second.error_fb < 0.5 * first.error_fb
    assert abs(first.xsec_fb - second.xsec_fb) < 5 * np.hypot(first.error_fb, second.error_fb)


def test_adaptive_grid_integrates_a_peak():
    """A Gaussian of width 0.01 in three dimensions: the closed form, with a relative error that the grid makes small."""
    from massgap.samples.matrix_elements.adaptive_grid import through_grid

    rng, grid = np.random.default_rng(2), AdaptiveGrid(3)
    for _ in range(8):
        even, u = rng.random((5000, 3)), np.empty((5000, 3))
        jacobian = np.array([through_grid(grid.edges, even[k], u[k]) for k in range(5000)])
        f = np.exp(-((u - 0.3) ** 2).sum(axis=1) / (2 * 0.01**2)) * jacobian
        grid.adapt(even, f)
        assert (np.diff(grid.edges, axis=1) >= 0).all()
    assert f.mean() == pytest.approx((2 * np.pi) ** 1.5 * 0.01**3, rel=0.05)
    assert f.std() / f.mean() < 3


@pytest.mark.parametrize("pdf_set", [13, 8])
def test_tables_give_the_densities(pdf_set):
    table, xf = density_table(pdf_set, 1e-4, 100.0, 13600.0), parton_density(pdf_set)
    rng, work, out = np.random.default_rng(3), np.zeros((2, 4)), np.zeros(4)
    for _ in range(300):
        x, q2 = 10 ** rng.uniform(-3.9, -0.1), 10 ** rng.uniform(4.1, 7.5)
        interpolated_densities(table, x, q2, work, out)
        for value, pair in zip(out, ((2, 4), (1, 3), (-2, -4), (-1, -3)), strict=True):
            true = sum(xf(kind, x, q2) for kind in pair)
            # CTEQ6L1 is itself a coarse table, with kinks between its nodes
            assert value * x == pytest.approx(true, rel=1e-3, abs=1e-7)


def test_file_of_events(generator, tmp_path):
    events, integral = generator.events(300)
    path = write_event_file(tmp_path / "a.lhe.gz", generator, events, integral, key="abc")
    again = write_event_file(tmp_path / "b.lhe.gz", generator, events, integral, key="abc")
    assert path.read_bytes() == again.read_bytes()
    assert key_of_file(path) == "abc"
    lhe = read_lhe(path)
    assert lhe.n_events == 300
    assert lhe.xsec_fb == pytest.approx(integral.xsec_fb, rel=1e-6)
    assert lhe.xsec_error_fb == pytest.approx(integral.error_fb, rel=0.2)
    assert lhe.is_vbf
    assert lhe.sqrt_s_tev == pytest.approx(13.6)
    assert lhe.new_masses == {1000023: 200.0, 1000024: 200.0}
    assert len(lhe.header.scale_ids) == 9
    assert len(lhe.header.pdf_ids) == 7
    p, pdg = read_events(path)
    np.testing.assert_allclose(p[:, 4:], events.momenta[:, 2:4], rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(pdg[:, 2:4], events.pdg[:, 4:])


def test_weights_of_scales_and_densities(generator, tmp_path):
    """Weights in the file against ratios of Pythia's densities."""
    events, integral = generator.events(50)
    path = write_event_file(tmp_path / "a.lhe.gz", generator, events, integral)
    with gzip.open(path, "rt") as stream:
        text = stream.read()
    for i, block in enumerate(text.split("<event>")[1:]):
        own = {
            line.split("'")[1]: float(line.split(">")[1].split("<")[0])
            for line in block.splitlines()
            if line.startswith("<wgt")
        }
        nominal = own["MUR1_MUF1"]
        assert own["MUR0.5_MUF1"] == nominal

        def product(number, q2, i=i):
            xf = parton_density(number)
            return np.prod([xf(int(events.pdg[i, k]), events.x[i, k], q2) for k in range(2)])

        q2 = events.scale[i] ** 2
        assert own["MUR1_MUF2"] / nominal == pytest.approx(product(13, 4 * q2) / product(13, q2), rel=1e-5)
        assert own["pdf8"] / nominal == pytest.approx(product(8, q2) / product(13, q2), rel=1e-5)


def test_the_same_seed_gives_the_same_events():
    one, two, other = (FusionGenerator(500.0, seed=seed) for seed in (3, 3, 4))
    first, second, third = (made.events(50)[0].momenta for made in (one, two, other))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"m": 40.0}, "m from 50 GeV on"),
        ({"m": float("nan")}, "m from 50 GeV on"),
        ({"m": 7000.0}, "out of reach at 13.6 TeV"),
        ({"m": 200.0, "cuts": JetCuts(pt=0.0)}, "pt must be 5 GeV"),
        ({"m": 200.0, "cuts": JetCuts(deta=11.0)}, "deta below twice eta"),
        ({"m": 200.0, "pdf_set": 99}, "no parton densities of number 99"),
    ],
)
def test_impossible_requests(options, words):
    with pytest.raises(GenerationError, match=words):
        FusionGenerator(**options)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """What the command makes of 40 events."""
    out = tmp_path_factory.mktemp("vbf")
    command = [
        "generate",
        "vbf_wino_WZ_300_30",
        "--events",
        "40",
        "--leptonic",
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    return out, command


def test_generate_by_name(sample):
    out, command = sample
    (entry,) = json.loads((out / "fileset.json").read_text()).values()
    metadata = entry["metadata"]
    lhe = read_lhe(out / "hard" / "vbf_wino_WZ_300_30.lhe.gz")
    assert metadata["is_signal"]
    assert metadata["masses"] == {"m_wino": 300.0, "m_lsp": 270.0}
    assert metadata["leptonic"] == ["e", "mu"]
    assert metadata["hard_xsec_fb"] == pytest.approx(lhe.xsec_fb)
    assert 0 < metadata["hard_xsec_error_fb"] < 0.02 * lhe.xsec_fb
    # the weights of 40 events scatter about the fraction of their decays
    assert 0.1 < metadata["xsec_fb"] / (metadata["hard_xsec_fb"] * metadata["branching_fraction"]) < 3
    assert 0.01 < metadata["branching_fraction"] < 0.1
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.root")}
    hard = (out / "hard" / "vbf_wino_WZ_300_30.lhe.gz").stat().st_mtime_ns
    assert CliRunner().invoke(main, command).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.root")} == before
    assert (out / "hard" / "vbf_wino_WZ_300_30.lhe.gz").stat().st_mtime_ns == hard


def test_a_file_of_another_energy_and_with_tighter_cuts(real_files, tmp_path):
    """MadGraph's file: 13 TeV and m_jj > 300 GeV, where the signal has 13.6 TeV and the selection 200 GeV."""
    file = str(real_files / "lhe" / "ewk_m200.lhe.gz")
    words = ["generate", "--lhe", file, "--decays", "wino_WZ_200_30", "--filter", "vbf", "--events", "20"]
    done = CliRunner().invoke(main, [*words, "--workers", "1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "the file was made with mmjj > 300, tighter than the selection (200)" in said
    assert "the file is for 13 TeV, other samples of wino_WZ_200_30 for 13.6 TeV" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vbf_wino_WZ_40_30"], "from 50 GeV on"),
        (["vbf_wino_WZ_200_300"], "mass gap must lie between"),
        (["vbf_wino_WZ_200_30", "--hard", "M_T2 > 10"], "without --hard"),
        (["vbf_wino_WZ_200_30", "--leptonic", "tt"], "tt"),
    ],
)
def test_what_cannot_be_generated(tmp_path, words, message):
    done = CliRunner().invoke(main, ["generate", *words, "--events", "10", "--out", str(tmp_path)])
    assert done.exit_code != 0
    assert message in " ".join(done.output.split())
    assert not list(itertools.chain(tmp_path.rglob("*.root"), tmp_path.rglob("fileset.json")))
