"""Models of replicas against workspaces that are built anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from simulatedruns import BARE, LUMI, fill, likelihood_of, plan_of_replica, sample, workspace_of

from massgap.fits.inference.bootstrap.expected import simulation_uncertainty
from massgap.fits.inference.bootstrap.models import ModelReplicas
from massgap.fits.inference.bootstrap.replicas import ReplicaSource
from massgap.fits.inference.engines import likelihood_of as engine_of
from massgap.fits.inference.hypothesis_tests import discovery, hypothesis_test, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from massgap.contracts.run_folder import RunFolder

RANDOM = np.random.default_rng(11)
EVENTS = {
    "signal": (RANDOM.beta(4.0, 1.5, 300), 0.002),
    "tt": (RANDOM.beta(1.5, 2.5, 400), 0.01),
    "loss": (RANDOM.beta(1.5, 2.5, 100), -0.004),
}
EDGES = (0.0, 0.4, 0.6, 0.8, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("sample")
    return sample(folder, EVENTS, shift=lambda x: 1.0 + 0.2 * x)


def flat(model: Any, filled: Any) -> Any:
    """Variances in the order of the model's contents."""
    names = [sample["name"] for channel in model.channel_specifications for sample in channel["samples"]]
    return np.concatenate([filled.parts[0].templates.processes[name].variances for name in names]) * LUMI**2


@pytest.mark.parametrize("statistics", ["lite", "full", "off"])
def test_the_sample_itself_is_a_replica(run: RunFolder, statistics: Any) -> None:
    backgrounds = ("tt",) if statistics == "full" else ("tt", "loss")
    filled = fill(run, EDGES, backgrounds)
    model = likelihood_of(filled, WorkspaceOptions(lumi_fb=LUMI, mc_statistics=statistics)).model
    variances = flat(model, filled)
    found = ModelReplicas(model, variances).model_with(model.arrays.contents, variances)
    assert found is not None
    again, joined = found
    assert not joined
    for name, one, two in zip(model.arrays._fields, model.arrays, again.arrays, strict=True):
        assert one == pytest.approx(two, rel=1e-12), name
    assert again.observed.auxiliary == pytest.approx(model.observed.auxiliary, rel=1e-12)


@pytest.mark.parametrize("statistics", ["lite", "full"])
@pytest.mark.parametrize("systematics", [False, True])
def test_a_replica_is_what_a_workspace_of_it_would_be(
    run: RunFolder, statistics: Any, systematics: bool
) -> None:
    filled = fill(run, EDGES, ("tt",) if statistics == "full" else ("tt", "loss"))
    options = WorkspaceOptions(lumi_fb=LUMI, mc_statistics=statistics, systematics=systematics)
    source = ReplicaSource(run, 3)
    found = simulation_uncertainty(likelihood_of(filled, options), filled, source, lumi_fb=LUMI)
    assert found.method == "events"
    # Rates of variations are those of the sample in one, of the replica in the other: the same at one standard deviation.
    close = 5e-3 if systematics else 3e-5
    for r in range(3):
        anew = likelihood_of(plan_of_replica(filled, source, r), options)
        assert found.draws["significance"][r] == pytest.approx(
            discovery(anew).expected_significance, rel=close
        )
        assert found.draws["limit"][r] == pytest.approx(upper_limit(anew).expected, rel=close)
        assert found.draws["cls"][r] == pytest.approx(
            hypothesis_test(anew, observed=False).expected, rel=10 * close
        )


def test_pyhf_finds_the_same_of_a_replica(run: RunFolder) -> None:
    filled = fill(run, EDGES)
    options = WorkspaceOptions(lumi_fb=LUMI, systematics=False)
    source = ReplicaSource(run, 2)
    found = simulation_uncertainty(likelihood_of(filled, options), filled, source, lumi_fb=LUMI)
    reference = engine_of(workspace_of(plan_of_replica(filled, source, 1), options), engine="pyhf")
    assert found.draws["significance"][1] == pytest.approx(
        discovery(reference).expected_significance, rel=1e-4
    )


def test_a_bin_without_background_is_joined_to_its_neighbour(run: RunFolder) -> None:
    filled = fill(run, EDGES, ("tt",))
    options = WorkspaceOptions(lumi_fb=LUMI)
    model = likelihood_of(filled, options).model
    assert [sample["name"] for sample in model.channel_specifications[0]["samples"]] == ["signal", "tt"]
    variances = flat(model, filled)
    replicas = ModelReplicas(model, variances)
    for empty, edges in (((5, 6), (0.0, 0.8, 1.0)), ((4,), (0.0, 0.6, 0.8, 1.0)), ((7,), (*EDGES[:3], 1.0))):
        contents, spread = model.arrays.contents.copy(), variances.copy()
        contents[list(empty)], spread[list(empty)] = 0.0, 0.0
        found = replicas.model_with(contents, spread)
        assert found is not None
        assert found[1]
        # The same bins merged by hand, of a sample that has no such events.
        x, weight = EVENTS["tt"]
        lost = [not any(EDGES[i - 4] <= v < EDGES[i - 3] for i in empty) for v in x]
        part = fill(run, edges).parts[0]
        kept, _ = np.histogram(x[lost], edges)
        tt = replace(
            part.templates.processes["tt"],
            values=kept * weight,
            variances=kept * weight**2,
            variations={},
        )
        signal = replace(part.templates.processes["signal"], variations={})
        merged = replace(part, templates=replace(part.templates, processes={"tt": tt, "signal": signal}))
        by_hand = likelihood_of(replace(filled, parts=(merged,)), options)
        bare = likelihood_of(filled, replace(options, systematics=False)).model
        joined = ModelReplicas(bare, variances).model_with(contents, spread)
        assert joined is not None
        assert discovery(Likelihood(joined[0])).expected_significance == pytest.approx(
            discovery(by_hand).expected_significance, rel=1e-7
        )
        assert upper_limit(Likelihood(joined[0])).expected == pytest.approx(
            upper_limit(by_hand).expected, rel=1e-5
        )
    contents = np.where(np.arange(8) < 4, model.arrays.contents, 0.0)
    assert replicas.model_with(contents, variances) is None


def test_shapes_keep_their_ratio_or_their_difference(run: RunFolder) -> None:
    filled = fill(run, EDGES, ("tt",))
    model = likelihood_of(filled, WorkspaceOptions(lumi_fb=LUMI)).model
    assert len(model.arrays.shape_means) == 8
    variances = flat(model, filled)
    doubled = ModelReplicas(model, variances).model_with(2.0 * model.arrays.contents, variances)
    assert doubled is not None
    assert doubled[0].arrays.shape_means == pytest.approx(2.0 * model.arrays.shape_means)
    # Where weights cancel to less than one event, twice the contents tell nothing of the variation.
    cancelled = ModelReplicas(model, 1.1 * model.arrays.contents**2).model_with(
        2.0 * model.arrays.contents, variances
    )
    assert cancelled is not None
    assert cancelled[0].arrays.shape_means == pytest.approx(model.arrays.shape_means)


def test_bare_model_has_nothing_of_statistics(run: RunFolder) -> None:
    filled = fill(run, EDGES)
    model = likelihood_of(filled, BARE).model
    replicas = ModelReplicas(model, flat(model, filled))
    assert not len(replicas.layout.counters)
    found = replicas.model_with(0.5 * model.arrays.contents, flat(model, filled))
    assert found is not None
    assert np.array_equal(found[0].arrays.widths, model.arrays.widths)
