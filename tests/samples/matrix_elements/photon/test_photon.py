"""Two leptons, a photon and neutrinos: gauge invariance, closed forms, soft photons, phase space, and the samples a user gets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from massgap.physical_constants import Z_MASS, Z_WIDTH
from massgap.samples.errors import GenerationError
from massgap.samples.matrix_elements.photon import amplitudes, channels
from massgap.samples.matrix_elements.photon.amplitudes import (
    charged_pairs,
    lepton_pair,
    neutral_pairs,
    standard_couplings,
)
from massgap.samples.matrix_elements.photon.channels import (
    NEUTRAL,
    PAIR,
    PhotonCuts,
    phase_space_point,
)

MODEL = standard_couplings()
ROOT_S = 500.0


def product(a, b):
    return a[0] * b[0] - a[1:] @ b[1:]


def boosted(p, mass, total):
    """From the rest frame of a total of this mass."""
    along = p[..., 1:] @ total[1:]
    energy = (total[0] * p[..., 0] + along) / mass
    share = (p[..., 0] + energy) / (total[0] + mass)
    return np.concatenate([energy[..., None], p[..., 1:] + share[..., None] * total[1:]], axis=-1)


def flat(n, root_s, rng):
    """Massless momenta, flat in phase space (R. Kleiss, W. J. Stirling and S. D. Ellis, Comput. Phys. Commun. 40 (1986) 359)."""
    c, phi = 2 * rng.random(n) - 1, 2 * np.pi * rng.random(n)
    e, s = -np.log(rng.random(n) * rng.random(n)), np.sqrt(1 - c * c)
    q = np.stack([e, e * s * np.cos(phi), e * s * np.sin(phi), e * c], axis=1)
    total = q.sum(axis=0)
    mass = math.sqrt(product(total, total))
    back = np.concatenate([total[:1], -total[1:]])
    return boosted(q, mass, back) * root_s / mass


def event(rng, pairs=True):
    """A point in a frame that is nobody's rest frame."""
    p = np.zeros((7, 4))
    p[0], p[1] = [ROOT_S / 2, 0, 0, ROOT_S / 2], [ROOT_S / 2, 0, 0, -ROOT_S / 2]
    if pairs:
        p[2:] = flat(5, ROOT_S, rng)
    else:
        p[2], p[3], p[6] = flat(3, ROOT_S, rng)
        p[4], p[5] = p[2], p[3]
    return boosted(p, ROOT_S, np.array([math.sqrt(ROOT_S**2 + 300.0**2), 200.0, -100.0, 200.0]))


@pytest.mark.parametrize("squared", [charged_pairs, neutral_pairs, lepton_pair])
@pytest.mark.parametrize("up", [True, False])
def test_amplitudes_vanish_for_a_photon_along_its_momentum(squared, up, monkeypatch):
    p = event(np.random.default_rng(1), pairs=squared is not lepton_pair)
    usual = np.sum(squared(p, up, MODEL))
    monkeypatch.setattr(amplitudes, "polarisation", lambda k, _: tuple(complex(x) for x in k))
    assert 0.0 <= np.sum(squared.py_func(p, up, MODEL)) < 1e-18 * usual


def test_lepton_pair_is_the_closed_form_of_photon_exchange():
    """F. A. Berends et al., Nucl. Phys. B 206 (1982) 61: eikonal factor times (t^2 + t'^2 + u^2 + u'^2) / (s s')."""
    heavy = MODEL._replace(z2=1e14 + 0j)
    for seed, (up, charge) in itertools.product(range(3), ((True, 2 / 3), (False, -1 / 3))):
        p = event(np.random.default_rng(seed), pairs=False)
        p1, p2, a, b, k = p[0], p[1], p[2], p[3], p[6]
        current = (
            -charge * p1 / product(p1, k)
            + charge * p2 / product(p2, k)
            - a / product(a, k)
            + b / product(b, k)
        )
        squares = sum((2 * product(x, y)) ** 2 for x in (p1, p2) for y in (a, b))
        shape = squares / (2 * product(p1, p2) * 2 * product(a, b))
        wanted = -product(current, current) * MODEL.photon_e2 * MODEL.e2**2 * charge**2 * shape / 3
        assert sum(lepton_pair(p, up, heavy)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("squared", "charged"), [(charged_pairs, (3, 4)), (neutral_pairs, (3, 2))])
def test_soft_photons_are_eikonal(squared, charged):
    rng = np.random.default_rng(4)
    four = flat(4, ROOT_S, rng)
    bare = []
    for direction in ((0.6, 0.0, 0.8), (-0.48, 0.64, 0.6), (0.0, -0.8, -0.6)):
        k = 1e-4 * np.array([1.0, *direction])
        p = np.zeros((7, 4))
        p[2:6], p[6] = four, k
        total = four.sum(axis=0) + k
        mass = math.sqrt(product(total, total))
        p[:2] = boosted(0.5 * mass * np.array([[1.0, 0, 0, 1], [1.0, 0, 0, -1]]), mass, total)
        parts = [(-2 / 3, p[0]), (2 / 3, p[1]), (1.0, p[charged[0]]), (-1.0, p[charged[1]])]
        current = sum(c * q / product(q, k) for c, q in parts)
        bare.append(squared(p, True, MODEL) / -product(current, current))
    assert bare == pytest.approx([bare[0]] * 3, rel=1e-3)


@pytest.mark.parametrize("channel", range(channels.N_CHANNELS))
def test_phase_space_of_three_bodies(channel):
    rng = np.random.default_rng([7, channel])
    # photons softer than a thousandth of a GeV, or nearer to a lepton than m^2 = 0.01 GeV^2, are a negligible part of the volume
    root, cuts = (
        400.0,
        PhotonCuts(1e-3 if channel == 0 else 1.0, 1e-3 if channel == 0 else 1.0, 2.5, 0.1, 1.0, 70.0),
    )
    p, found = np.zeros((7, 4)), []
    for u in rng.random((40_000, 16)):
        s, weight = phase_space_point(u, PAIR, channel, root, cuts, p)
        found.append(weight / s if 20.0**2 < s < root**2 else 0.0)
    wanted = (root**2 - 20.0**2) / (256 * np.pi**3)
    error = np.std(found) / math.sqrt(len(found))
    assert error < 0.06 * wanted
    assert np.mean(found) == pytest.approx(wanted, abs=4 * error + 0.002 * wanted)


def test_channels_agree_on_an_integral():
    """A function with the resonance of the neutrinos and a hard photon far from the leptons, sampled by each channel."""
    rng = np.random.default_rng(8)
    root, cuts = 600.0, PhotonCuts(4.0, 4.0, 2.5, 0.4, 13.0, 70.0)
    means, errors, p = [], [], np.zeros((7, 4))
    for channel in range(channels.N_CHANNELS):
        found = np.zeros(20_000)
        for i, u in enumerate(rng.random((len(found), 16))):
            s, weight = phase_space_point(u, NEUTRAL, channel, root, cuts, p)
            s1, s2 = 2 * product(p[2], p[3]), 2 * product(p[4], p[5])
            near = min(2 * product(p[i], p[6]) for i in (2, 3))
            inside = 15.0 < math.sqrt(max(s1, 0.0)) < 65.0 and near > 100.0 and 250.0**2 < s < root**2
            if weight > 0 and inside and math.hypot(p[6, 1], p[6, 2]) > 10.0:
                found[i] = weight / s**2 / s1 / near / ((s2 - Z_MASS**2) ** 2 + (Z_MASS * Z_WIDTH) ** 2)
        means.append(found.mean())
        errors.append(found.std() / math.sqrt(len(found)))
    middle = np.average(means, weights=np.array(errors) ** -2.0)
    assert max(errors) < 0.25 * middle
    assert np.all(np.abs(np.array(means) - middle) < 4 * np.array(errors))


def test_muons_of_taus_have_spectra_of_norm_one():
    from massgap.samples.matrix_elements.photon.generator import _hard, _soft

    x, w = np.polynomial.legendre.leggauss(8)
    x, w = 0.5 * (x + 1), 0.5 * w
    for spectrum, mean in ((_hard, 0.4), (_soft, 0.3)):
        values = np.array([spectrum(one) for one in x])
        assert [values @ w, (values * x) @ w] == pytest.approx([1.0, mean])


def test_samples_of_backgrounds(tmp_path, monkeypatch):
    pytest.importorskip("pythia8mc")
    import uproot

    from massgap import stages
    from massgap.samples.matrix_elements.photon import generator

    # a few points adapt the grid badly, which costs efficiency and nothing else
    monkeypatch.setattr(generator, "_POINTS", 2_000)
    monkeypatch.setattr(generator, "_LAST", 20_000)
    monkeypatch.setattr(generator, "_CHUNK", 10_000)
    monkeypatch.setattr(generator, "_PREPARED", {})
    made = [
        stages.generate_partons(["ZZ_2mua", "tautaua_2mua"], tmp_path / name, events=2000) for name in "ab"
    ]
    about = [fileset["tautaua_2mua_parton"]["metadata"] for fileset in made]
    assert about[0] == about[1]
    # shares of the catalogue: 1.5 to 4.5
    assert [made[0][f"{name}_2mua_parton"]["metadata"]["n_generated"] for name in ("ZZ", "tautaua")] == [
        500,
        1500,
    ]
    assert 0.0 < about[0]["hard_xsec_error_fb"] < 0.1 * about[0]["hard_xsec_fb"]
    with uproot.open(next(iter(made[0]["tautaua_2mua_parton"]["files"]))) as file:
        tree = file["Events"].arrays(["genWeight", "Photon_pt", "Photon_eta", "Muon_pt", "Muon_charge"])
    assert float(np.sum(tree.genWeight)) == pytest.approx(about[0]["sum_weights"])
    assert float(np.min(tree.Photon_pt)) > 4.0
    assert float(np.max(np.abs(tree.Photon_eta))) < 2.5
    assert np.all(np.sum(tree.Muon_charge, axis=1) == 0)


def test_what_cannot_be_made_is_said():
    from massgap.samples.matrix_elements.photon.generator import PhotonGenerator

    with pytest.raises(GenerationError, match="charged, neutral, taus"):
        PhotonGenerator("gluons")
    with pytest.raises(GenerationError, match="above 0"):
        PhotonGenerator("taus", PhotonCuts(distance=0.0))
