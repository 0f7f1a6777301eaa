"""The compiled passes over jagged objects against the same physics written with awkward and vector."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

Z_MASS, W_MASS, TOP_MASS = 91.1876, 80.379, 172.5


def rows(effort: Effort) -> Iterator[Row]:
    """One line per analysis: the compiled pass against the plain way."""
    import vector

    from massgap.arrays import PerEvent
    from massgap.selections.electroweakino.features import electroweakino_features
    from massgap.selections.observables.vbf_pair import largest_mass_pair, vbf_pair
    from massgap.selections.smuon.features import smuon_features
    from massgap.selections.vlq.features import vlq_features

    vector.register_awkward()
    size = effort.of(100_000, 10_000, 1_000)
    rng = np.random.default_rng(20)
    events = generate(rng, size)
    jets, leptons, fat_jets, met = (events[name] for name in ("jets", "leptons", "fat_jets", "met"))
    flat_met = PerEvent({"pt": events["met"].pt.to_numpy(), "phi": events["met"].phi.to_numpy()})

    def vbf() -> dict[str, Any]:
        pair = vbf_pair(jets)
        return {"m_jj": pair.m_jj, "pt_jj": pair.pt_jj, "abs_deta_jj": pair.abs_deta_jj}

    def heaviest() -> dict[str, Any]:
        pair = largest_mass_pair(jets)
        return {"m_jj": pair.m_jj, "pt_jj": pair.pt_jj, "abs_deta_jj": pair.abs_deta_jj}

    electrons, muons = leptons[leptons.flavour == 11], leptons[leptons.flavour == 13]
    compared = (
        ("VBF pair", vbf, partial(plain_pair, jets, True), {}),
        ("heaviest pair of jets", heaviest, partial(plain_pair, jets, False), {}),
        (
            "electroweakino, 14 features",
            lambda: electroweakino_features(jets, leptons, flat_met.pt),
            partial(plain_electroweakino, jets, leptons, flat_met.pt),
            {},
        ),
        (
            "smuon, 37 features",
            lambda: smuon_features(electrons, muons, jets, flat_met).features,
            partial(plain_smuon, electrons, muons, jets, met),
            # The package mt2 is this far off where M_T2 is 0 or nearly so.
            {"m_t2": 0.05},
        ),
        (
            "vlq, reconstruction",
            lambda: vlq_features(leptons, fat_jets, jets, flat_met).quantities,
            partial(plain_vlq, leptons, fat_jets, jets, met),
            {},
        ),
    )
    for what, ours, theirs, absolute in compared:
        worst = compare(what, ours(), theirs(), absolute)
        measured = ratio(ours, theirs, rounds=effort.rounds(5), least=0.05)
        per_event = 1e9 * measured.ours / size
        yield Row(
            "Reconstruction",
            f"{what}: compiled pass against awkward and vector",
            measured,
            detail=f"{size} events, from awkward arrays to features; ours takes {per_event:.0f} ns per event; "
            f"results agree within {worst:.0e} of their size{' (M_T2: 0.05 GeV)' if absolute else ''}",
        )


def compare(what: str, ours: dict[str, Any], theirs: dict[str, Any], absolute: dict[str, float]) -> float:
    """The largest relative difference of the results that both have; ValueError if it matters."""
    worst = 0.0
    for name, expected in theirs.items():
        got = np.asarray(ours[name], dtype=np.float64)
        if not np.array_equal(np.isnan(got), np.isnan(expected)):
            message = f"{what}: {name} is undefined in different events"
            raise ValueError(message)
        difference = np.nan_to_num(np.abs(got - expected))
        if name in absolute:
            if difference.max() > absolute[name]:
                message = f"{what}: {name} differs by {difference.max()}"
                raise ValueError(message)
            continue
        worst = max(worst, float((difference / np.maximum(np.nan_to_num(np.abs(expected)), 1.0)).max()))
    if worst > 1e-6:
        message = f"{what}: the results differ by {worst} of their size"
        raise ValueError(message)
    return worst


def generate(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Events with 2 to 5 leptons, 0 to 6 jets and 0 to 3 fat jets, some of these around a lepton."""
    import awkward as ak

    def jagged(counts: Any, scale: float, eta: float, mass: Any) -> dict[str, Any]:
        n = int(counts.sum())
        flat = {
            "pt": 10.0 + rng.exponential(scale, n),
            "eta": rng.uniform(-eta, eta, n),
            "phi": rng.uniform(-np.pi, np.pi, n),
            "mass": mass(n),
        }
        return {name: ak.unflatten(values, counts) for name, values in flat.items()}

    counts = rng.integers(2, 6, size)
    leptons = jagged(counts, 80.0, 2.4, lambda n: np.full(n, 0.1056583755))
    n_leptons = int(counts.sum())
    leptons["charge"] = ak.unflatten(rng.choice([-1, 1], n_leptons), counts)
    leptons["flavour"] = ak.unflatten(rng.choice([11, 13], n_leptons), counts)
    jets = jagged(rng.integers(0, 7, size), 60.0, 4.9, lambda n: rng.uniform(2.0, 25.0, n))
    fat_jets = jagged(rng.integers(0, 4, size), 300.0, 2.4, lambda n: rng.uniform(40.0, 200.0, n))
    third = leptons["eta"][:, -1]
    # Every event's first fat jet lies around its last lepton.
    first = ak.local_index(fat_jets["pt"]) == 0
    fat_jets["eta"] = ak.where(first, 0.95 * third, fat_jets["eta"])
    fat_jets["phi"] = ak.where(first, leptons["phi"][:, -1], fat_jets["phi"])
    momentum = partial(ak.zip, with_name="Momentum4D")
    met = ak.zip(
        {"pt": rng.exponential(120.0, size), "phi": rng.uniform(-np.pi, np.pi, size)}, with_name="Momentum2D"
    )
    return {"leptons": momentum(leptons), "jets": momentum(jets), "fat_jets": momentum(fat_jets), "met": met}


def column(values: Any) -> Any:
    """One number per event, NaN for None."""
    import awkward as ak

    return ak.to_numpy(ak.fill_none(values, np.nan)).astype(np.float64)


def by_pt(objects: Any, n: int) -> list[Any]:
    """The n leading objects, None where there are fewer."""
    import awkward as ak

    ordered = objects[ak.argsort(objects.pt, ascending=False, stable=True)]
    padded = ak.pad_none(ordered, n, clip=True)
    return [padded[:, k] for k in range(n)]


def chosen(pairs: Any, best: Any) -> Any:
    """The pair at the index ``best`` of each event, None without."""
    import awkward as ak

    return ak.firsts(pairs[best])


def plain_pair(jets: Any, vbf: bool) -> dict[str, Any]:
    """Pair of jets with the largest mass."""
    import awkward as ak

    good = jets[(jets.pt > (30.0 if vbf else 20.0)) & (abs(jets.eta) < 5.0)]
    pairs = ak.combinations(good, 2, fields=["a", "b"])
    total = pairs.a + pairs.b
    if vbf:
        passes = (
            (pairs.a.eta * pairs.b.eta < 0)
            & (abs(pairs.a.eta - pairs.b.eta) > 2.5)
            & (pairs.a.deltaR(pairs.b) > 0.3)
            & (total.mass > 200.0)
        )
        pairs, total = pairs[passes], total[passes]
    best = ak.argmax(total.mass, axis=1, keepdims=True)
    pair, total = chosen(pairs, best), chosen(total, best)
    return {
        "m_jj": column(total.mass),
        "pt_jj": column(total.pt),
        "abs_deta_jj": column(abs(pair.a.eta - pair.b.eta)),
    }


def plain_electroweakino(jets: Any, leptons: Any, met: Any) -> dict[str, Any]:
    """The 14 features of the electroweakino search."""
    good = leptons[(leptons.pt > 5.0) & (abs(leptons.eta) < 2.4)]
    j = by_pt(jets[(jets.pt > 30.0) & (abs(jets.eta) < 5.0)], 2)
    lepton = by_pt(good, 3)
    out = {"met": met, **plain_pair(jets, False)}
    for k in range(2):
        out |= {f"pt_j{k + 1}": column(j[k].pt), f"eta_j{k + 1}": column(j[k].eta)}
    for k in range(3):
        out |= {f"pt_l{k + 1}": column(lepton[k].pt), f"eta_l{k + 1}": column(lepton[k].eta)}
    return out


def plain_smuon(electrons: Any, muons: Any, jets: Any, met: Any) -> dict[str, Any]:
    """Table II of the smuon paper, M_T2 by the package mt2."""
    import awkward as ak
    from mt2 import mt2

    out: dict[str, Any] = {
        "n_e": column(ak.num(electrons)),
        "n_mu": column(ak.num(muons)),
        "n_j": column(ak.num(jets)),
    }
    leading = {}
    for name, objects in (("e", electrons), ("mu", muons), ("j", jets)):
        for k, item in enumerate(by_pt(objects, 2), start=1):
            leading[f"{name}{k}"] = item
            out |= {f"{q}_{name}{k}": column(getattr(item, q)) for q in ("pt", "eta", "phi")}
    a, b, j = leading["mu1"], leading["mu2"], leading["j1"]
    ht = ak.sum(jets.pt, axis=1)
    st = a.pt + b.pt
    et = np.sqrt(a.mass**2 + a.pt**2) + np.sqrt(b.mass**2 + b.pt**2)
    out["m_mumu"] = column((a + b).mass)
    out["m_ct"] = column(np.sqrt(et**2 - (a.px - b.px) ** 2 - (a.py - b.py) ** 2))
    two = column(ak.num(muons)) >= 2
    inputs = [column(x)[two] for x in (a.mass, a.px, a.py, b.mass, b.px, b.py, met.px, met.py)]
    out["m_t2"] = np.full(len(two), np.nan)
    out["m_t2"][two] = mt2(*inputs, 0.0, 0.0)
    out |= {"met": column(met.pt), "phi_met": column(met.phi), "ht": column(ht), "st": column(st)}
    out["abs_deta_mumu"], out["abs_dphi_mumu"] = column(abs(a.eta - b.eta)), column(abs(a.deltaphi(b)))
    hadrons = {"pt_j1": j.pt, "ht": ak.mask(ht, ht > 0)}
    out["pt_mu1_over_pt_mu2"] = column(a.pt / b.pt)
    for name, lepton in (("pt_mu1", a.pt), ("pt_mu2", b.pt), ("st", st)):
        out |= {f"{name}_over_{to}": column(lepton / value) for to, value in hadrons.items()}
    return out


def plain_vlq(leptons: Any, fat_jets: Any, slim_jets: Any, met: Any) -> dict[str, Any]:
    """Reconstruction of T -> t Z."""
    import awkward as ak

    leptons = leptons[(leptons.pt >= 25.0) & (abs(leptons.eta) < 2.5)]
    leptons = ak.with_field(leptons, ak.local_index(leptons.pt), "position")
    pairs = ak.combinations(leptons, 2, fields=["a", "b"])
    pairs = pairs[(pairs.a.charge * pairs.b.charge < 0) & (pairs.a.flavour == pairs.b.flavour)]
    distance = abs((pairs.a + pairs.b).mass - Z_MASS)
    pair = chosen(pairs, ak.argmin(distance, axis=1, keepdims=True))
    z = pair.a + pair.b
    out = {"m_z": column(z.mass), "pt_z": column(z.pt)}
    pts = column(pair.a.pt), column(pair.b.pt)
    out |= {"pt_z_l1": np.maximum(*pts), "pt_z_l2": np.minimum(*pts)}

    has_z = ~ak.is_none(pair)
    no = ak.fill_none(pair.a.position, -1), ak.fill_none(pair.b.position, -1)
    remaining = leptons[(leptons.position != no[0]) & (leptons.position != no[1]) & has_z]
    l3 = by_pt(remaining, 1)[0]
    out["dphi_z_l3"] = column(abs(z.deltaphi(l3)))

    good = fat_jets[(fat_jets.pt > 80.0) & (abs(fat_jets.eta) < 2.5) & has_z]
    good = good[ak.fill_none((good.deltaR(pair.a) >= 0.8) & (good.deltaR(pair.b) >= 0.8), False)]
    good = good[ak.fill_none(good.deltaR(l3) < 0.8, False)]
    fat = by_pt(good, 1)[0]

    px, py, pz, energy, m = l3.px, l3.py, l3.pz, l3.E, l3.mass
    mt2 = px**2 + py**2 + m**2
    a = 0.5 * (W_MASS**2 - m**2) + px * met.px + py * met.py
    discriminant = a**2 - mt2 * met.pt**2
    root = energy * np.sqrt(ak.where(discriminant > 0.0, discriminant, 0.0))
    tops = []
    for sign in (-1.0, 1.0):
        nu_pz = (a * pz + sign * root) / mt2
        nu = ak.zip(
            {"px": met.px, "py": met.py, "pz": nu_pz, "E": np.sqrt(met.pt**2 + nu_pz**2)},
            with_name="Momentum4D",
        )
        tops.append(fat + nu)
    second = abs(tops[1].mass - TOP_MASS) < abs(tops[0].mass - TOP_MASS)
    masses = [column(top.mass) for top in tops]
    totals = [column((top + z).mass) for top in tops]
    better = ak.to_numpy(ak.fill_none(second, False))
    out |= {
        "m_top": np.where(better, masses[1], masses[0]),
        "m_t_prime": np.where(better, totals[1], totals[0]),
        "dr_z_j": column(z.deltaR(fat)),
    }
    slim = slim_jets[(slim_jets.pt > 25.0) & (abs(slim_jets.eta) < 5.0)]
    near = ak.cartesian({"jet": slim, "lepton": leptons}, nested=True)
    clean = slim[~ak.any(near.jet.deltaR(near.lepton) < 0.4, axis=2)]
    out |= {"n_slim": column(ak.num(clean)), "n_forward": column(ak.sum(abs(clean.eta) >= 2.5, axis=1))}
    return out
