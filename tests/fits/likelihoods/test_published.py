"""A likelihood as an experiment publishes it: 44 channels and 217 parameters of a search with small mass gaps.

``published/ATLAS-SUSY-2018-16_2L_bkgonly.json.xz`` is the background-only workspace of the two-lepton regions of arXiv:1911.12606
(HEPData ins1767649), taken without a change of content from the package mapyde 0.5.0 (Apache License 2.0; file
``WinoBino_noWeight_2L_bkgonly.json``). The signal here is made up.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from massgap.fits.errors import WorkspaceError
from massgap.fits.inference.hypothesis_tests import hypothesis_test
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.likelihoods.search import other_starts

FILE = Path(__file__).parent / "published" / "ATLAS-SUSY-2018-16_2L_bkgonly.json.xz"
OF_PYHF = {
    1.0: (0.50098586, 0.0024842075, 0.013318777, 0.062777223, 0.23139558, 0.56829618),
    2.506776512485308: (0.050780149, 3.0618006e-07, 9.2986694e-06, 0.00023856648, 0.0044512524, 0.048137707),
}
"""Signal strength -> CLs of the data and the expected ones: pyhf 0.7.6 with jax and scipy's SLSQP, the bound of the signal
strength at 60. The second is three thousandths below our observed limit."""


def background() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(lzma.decompress(FILE.read_bytes()))
    return document


def with_signal() -> dict[str, Any]:
    """A few events in each signal region, with a rate and the statistics of the channel."""
    document = background()
    for i, channel in enumerate(document["channels"]):
        if channel["name"].startswith("SR"):
            contents = [0.3 * (1 + i % 5)]
            errors = (m for s in channel["samples"] for m in s["modifiers"] if m["type"] == "staterror")
            modifiers = [
                {"name": "mu_SIG", "type": "normfactor", "data": None},
                {"name": "lumi", "type": "lumi", "data": None},
                {"name": "signal_theory", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
                {"name": next(errors)["name"], "type": "staterror", "data": [0.1 * contents[0]]},
            ]
            channel["samples"].insert(0, {"name": "signal", "data": contents, "modifiers": modifiers})
    return document


def test_cls_is_that_of_pyhf() -> None:
    likelihood = Likelihood(with_signal())
    assert len(likelihood.names) == 219
    for mu, expected in OF_PYHF.items():
        found = hypothesis_test(likelihood, mu)
        assert [found.cls, *found.expected] == pytest.approx(expected, abs=1e-4)


def test_every_start_converges_in_a_few_steps() -> None:
    """Factors with a Poisson constraint beside profiled ones once stopped one of three starts after 1000 steps."""
    likelihood = Likelihood(with_signal())
    first = likelihood.fit(likelihood.observed, non_negative=True, check=False)
    free = likelihood._free[likelihood._free != likelihood.poi]
    for start in other_starts(first.pars, free, likelihood.nominal == 0.0):
        start[likelihood.poi] = 1.0
        # A fit would try other starts where this one fails.
        found = likelihood._minimise(start, free, likelihood._low, likelihood.observed)
        assert found.converged
        assert found.steps < 60


def test_without_its_signals_the_patch_set_is_named() -> None:
    with pytest.raises(WorkspaceError, match=r"interest 'mu_SIG'.*--patchset FILE"):
        Likelihood(background())
