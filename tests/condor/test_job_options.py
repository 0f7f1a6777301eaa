"""What jobs ask for: what HTCondor would misread is refused, and what is known survives."""

from __future__ import annotations

import re

import pytest

from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"memory": "2000"}, "--memory '2000': write a size with its unit"),
        ({"disk": "much"}, "--disk 'much'"),
        ({"memory": "0GB"}, "--memory '0GB'"),
        ({"walltime": "8"}, "--walltime '8': write a time"),
        ({"walltime": "0h"}, "--walltime"),
        ({"cpus": 0}, "at least 1"),
        ({"submit_lines": {"queue": "5"}}, "--submit-line queue: massgap writes this line itself"),
        ({"submit_lines": {"Executable": "x"}}, "massgap writes this line itself"),
        ({"submit_lines": {"+MassgapSlice": "1"}}, "massgap writes this line itself"),
        ({"submit_lines": {"max_materialize": "1"}}, "massgap writes this line itself"),
        ({"submit_lines": {"Request_Memory": "1"}}, "use --memory instead"),
        ({"submit_lines": {"+A": "1\nqueue 1000"}}, "must be one line"),
        ({"submit_lines": {"+A": "1 \\ "}}, "must be one line"),
        ({"submit_lines": {"a b": "1"}}, "is no name"),
        ({"submit_lines": {"a\nqueue": "1"}}, "is no name"),
    ],
)
def test_options_that_htcondor_would_misread_are_refused(given, words) -> None:
    with pytest.raises(CondorError, match=re.escape(words)):
        JobOptions(**given)


def test_options_survive_the_record() -> None:
    options = JobOptions(memory="3GB", submit_lines={"+A": "1"}, spool=True)
    assert JobOptions.of({**options.as_dict(), "of a later version": 1}) == options
