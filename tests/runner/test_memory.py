"""What a run says of the size of its results, before the first chunk."""

from __future__ import annotations

import re

import awkward as ak
import eventfiles
import numpy as np
import pytest
from runs import fileset_of

from massgap.processors.slepton import Slepton
from massgap.runner import run
from massgap.runner.executors.local import IterativeExecutor


@pytest.mark.parametrize(
    ("length", "stated", "members"), [(31, "hessian", 30), (33, "hessian+alphas", 32), (7, None, 5)]
)
def test_each_member_of_the_parton_densities_counts(tmp_path, monkeypatch, length, stated, members) -> None:
    """The sums of a data set hold what is said: members are made into two variations at the end only."""
    plain = eventfiles.columns

    def with_members(events, version="v12"):
        weights = np.random.default_rng(1).normal(1, 0.05, (len(events), length)).astype(np.float32)
        weights[:, 0] = 1
        return {**plain(events, version), "LHEPdfWeight": ak.from_regular(weights)}

    monkeypatch.setattr(eventfiles, "columns", with_members)
    path = eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(80, seed=3))
    metadata = {} if stated is None else {"pdf_members": stated}

    def said(**options):
        messages = []
        processor = Slepton(features=False, **options)
        result = run(
            processor,
            fileset_of(path, **metadata),
            executor=IterativeExecutor(),
            progress=lambda p: messages.append(p.message) if p.stage == "plan" else None,
        )
        assert result.ledger.complete
        (message,) = messages
        return int(re.search(r"([\d,]+) bins with their variations", message)[1].replace(",", ""))

    nominal = said()
    assert said(variations=["pdf"]) == nominal * (1 + members)
    assert said(variations=["pdf", "isr"]) == nominal * (3 + members)
