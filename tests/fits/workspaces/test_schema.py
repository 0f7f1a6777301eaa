"""The check of workspaces against pyhf's schema itself, on workspaces that something was done to."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomworkspaces import large_workspace, random_workspace

from massgap.fits.errors import WorkspaceError
from massgap.fits.workspaces.schema import follows_schema, schema_warnings_off, validate_workspace

VALUES = st.one_of(
    st.none(),
    st.integers(-2, 2),
    st.floats(allow_infinity=False),
    st.sampled_from(
        ["", "mu", "lumi", "normsys", "histosys", "shapesys", "1.0.0", [], [[]], [0.5, 1.5], ["a"], {}]
    ),
    st.sampled_from([[[0.5, 1.5]], [[0.5, "a"]], [[]], {"lo": 1, "hi": 2}, {"lo": 1.0, "hi": "a"}]),
)
KEYS = st.sampled_from(
    [
        "name",
        "data",
        "type",
        "fixed",
        "factors",
        "bounds",
        "inits",
        "lo",
        "hi",
        "poi",
        "version",
        "sigmas",
        "x",
    ]
)


def with_everything() -> dict:
    """A workspace with all modifiers and all that a measurement may say."""
    workspace = random_workspace(2)
    del workspace["channels"][0]["samples"][2:]
    kinds = {"normsys": {"lo": 0.9, "hi": 1}, "histosys": {"lo_data": [1.0], "hi_data": [2]}}
    kinds |= {"lumi": None, "normfactor": None, "shapefactor": None, "shapesys": [0.1], "staterror": [1]}
    modifiers = [{"name": "lumi" if k == "lumi" else f"n_{k}", "type": k, "data": kinds[k]} for k in kinds]
    workspace["channels"].append(
        {"name": "all", "samples": [{"name": "s", "data": [1.0], "modifiers": modifiers}]}
    )
    setting = {"name": "lumi", "inits": [1], "bounds": [[0.5, 1.5], []], "auxdata": [1.0], "sigmas": [0.1]}
    setting |= {"fixed": False, "factors": [1.0]}
    workspace["measurements"].append(
        {"name": "m2", "config": {"poi": "", "parameters": [setting, {"name": "mu"}]}}
    )
    return workspace


def places(node, path=()):
    """Paths of all that is in a document."""
    yield path
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from places(node[key], (*path, key))


EVERYTHING = with_everything()
PLACES = list(places(EVERYTHING))


def accepted_by_pyhf(document) -> bool:
    with schema_warnings_off():
        try:
            pyhf.schema.validate(document, "workspace.json", version="1.0.0")
        except pyhf.exceptions.InvalidSpecification:
            return False
    return True


def test_workspaces_as_they_should_be() -> None:
    for workspace in (EVERYTHING, large_workspace(3), random_workspace(2)):
        assert follows_schema(workspace)
        assert accepted_by_pyhf(workspace)
        validate_workspace(workspace)


@given(st.sampled_from(PLACES[1:]), VALUES, KEYS, st.sampled_from(["replace", "remove", "add"]))
@settings(max_examples=100, deadline=None)
def test_the_verdict_is_that_of_pyhf(path, value, key, what) -> None:
    document = copy.deepcopy(EVERYTHING)
    node = document
    for step in path[:-1]:
        node = node[step]
    if what == "replace":
        node[path[-1]] = value
    elif what == "remove":
        del node[path[-1]]
    elif isinstance(node, dict):
        node[key] = value
    else:
        node.insert(path[-1], value)
    expected = accepted_by_pyhf(document)
    assert follows_schema(document) == expected
    if not expected:
        with pytest.raises(WorkspaceError, match="HistFactory schema"):
            validate_workspace(document)


@pytest.mark.parametrize("document", [None, [], 3, "a", {}, {"channels": []}])
def test_what_is_no_workspace_at_all(document) -> None:
    assert not follows_schema(document)


@pytest.mark.parametrize("change", [lambda values: [True, *values[1:]], np.asarray])
def test_what_is_odd_but_good_enough_for_pyhf_is_left_to_it(change) -> None:
    workspace = random_workspace(2)
    workspace["observations"][0]["data"] = change(workspace["observations"][0]["data"])
    assert not follows_schema(workspace)
    validate_workspace(workspace)


def test_a_limit_from_the_command_loads_neither_pyhf_nor_what_others_add_to_numba(tmp_path) -> None:
    """They take longer to be imported than the limit takes."""
    (tmp_path / "workspace.json").write_text(json.dumps(random_workspace(2)))
    program = (
        "import sys; from massgap.cli import main\n"
        f"main(['limit', {str(tmp_path / 'workspace.json')!r}], standalone_mode=False)\n"
        "print([name for name in ('pyhf', 'awkward', 'vector', 'coffea', 'jsonschema', 'matplotlib', 'pandas') "
        "if name in sys.modules])\n"
        "import numba; numba.njit(lambda x: x)(1); print('awkward' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "True"]
