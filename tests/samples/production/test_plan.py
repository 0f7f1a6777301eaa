"""The key of a block: the same in every process, another one for other events."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pythia8mc")

from massgap.samples.errors import GenerationError
from massgap.samples.processes.catalogue import PROCESSES, processes_of
from massgap.samples.processes.process import CrossSection
from massgap.samples.production.plan import Options, plan_tasks, with_cross_section

NAMES = ("tt", "wino_WZ_200_30", "cascade_sDM_390_360_330_300", "vlq_1000")
OPTIONS = Options("cms", mpi=False, variations=False, form="ttree")


def keys(processes, out):
    return [task.digest for task in plan_tasks(list(processes), out, 1000, 1, OPTIONS)]


def test_keys_are_the_same_in_another_process(tmp_path):
    """Weights of decays are functions: their place in memory must not be part of a key."""
    code = (
        "from pathlib import Path; from massgap.samples.production.plan import *; "
        "from massgap.samples.processes.catalogue import processes_of; "
        f"tasks = plan_tasks(processes_of({NAMES[1]!r}), Path({str(tmp_path)!r}), 1000, 1, "
        "Options('cms', mpi=False, variations=False, form='ttree')); print(*(task.digest for task in tasks))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == keys(processes_of(NAMES[1]), tmp_path)


def test_weights_of_decays_are_part_of_the_key(tmp_path):
    (weighted,) = processes_of("cascade_sDM_390_360_330_300")
    assert weighted.decay_weight is not None
    other = processes_of("wino_WZ_200_30")[0].decay_weight
    changed = [keys([part], tmp_path) for part in (weighted, replace(weighted, decay_weight=other))]
    assert changed[0] != changed[1]


def test_acceptance_of_the_filter_is_part_of_the_key(tmp_path):
    part = PROCESSES["tt"]
    wider = replace(part.filter, acceptance=replace(part.filter.acceptance, eta=2.7))
    assert keys([part], tmp_path) != keys([replace(part, filter=wider)], tmp_path)


@pytest.mark.parametrize("weight", [lambda record: np.ones(record.n_events), np.ones(3)])
def test_what_has_no_name_in_a_module_is_refused(tmp_path, weight):
    with pytest.raises(GenerationError, match="a function that a module defines"):
        keys([replace(PROCESSES["vlq_1000"], decay_weight=weight)], tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_processes_travel_to_workers(name):
    for part in processes_of(name):
        again = pickle.loads(pickle.dumps(part))
        assert again == part
        assert again.decay_weight is part.decay_weight


def twice(mass, *, sqrt_s_tev):
    return 2.0 * mass + sqrt_s_tev


def test_a_cross_section_is_computed_at_the_energy_of_the_process():
    part = replace(PROCESSES["vlq_1000"], xsec_rule=CrossSection(twice, (3.0,)), sqrt_s_tev=14.0)
    assert with_cross_section(part).xsec_fb == 20.0
    assert with_cross_section(PROCESSES["vlq_1000"]) is PROCESSES["vlq_1000"]
