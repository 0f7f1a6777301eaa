"""Scores of which everything is known, for what the vlq study says of classifiers."""

from __future__ import annotations

import numpy as np


def quality(strength, n=4000, seed=1, drawn=None):
    """Scores of normal signal and background that are so many standard deviations apart."""
    from massgap.studies.vlq.numbers.performance import Performance

    random = np.random.default_rng(seed)
    label = np.arange(n) < n // 2
    score = random.normal(size=n) + strength * label
    drawn = np.random.default_rng(9).poisson(1.0, (40, n)) if drawn is None else drawn
    return Performance("", 0.01)._quality(score, label, np.ones(n), drawn)
