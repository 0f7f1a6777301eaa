"""The scan of templates against pyhf, fit by fit."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from scipy.stats import norm, poisson

from massgap.fits.counting.template_scan import best_value, template_scan, workspace
from massgap.fits.errors import FitError
from massgap.fits.workspaces.schema import schema_warnings_off

TEMPLATES = np.array([[8.0, 4.0, 1.0, 0.5], [4.0, 5.0, 3.0, 1.5], [1.0, 3.0, 6.0, 3.5]])
BACKGROUND = np.array([5.0, 6.0, 7.0, 2.0])


def test_each_fit_is_that_of_pyhf():
    rng = np.random.default_rng(1)
    counts = rng.poisson(3.0 * TEMPLATES[1] + BACKGROUND, (3, 4)).astype(float)
    # fewer events than background: the strength stays at zero
    counts[2] = [1.0, 0.0, 2.0, 0.0]
    found = template_scan(counts, TEMPLATES, BACKGROUND, 0.2)
    for i, k in np.ndindex(found.shape):
        spec = workspace("delta", TEMPLATES[k], BACKGROUND, counts[i], 0.2)
        with schema_warnings_off():
            model = pyhf.Workspace(spec).model()
        data = np.concatenate([counts[i], [1.0]])
        _, theirs = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
        n = counts[i]
        perfect = -2.0 * (poisson.logpmf(n, np.maximum(n, 1e-300)).sum() + norm.logpdf(1.0, 1.0, 0.2))
        assert found[i, k] == pytest.approx(float(theirs) - perfect, abs=2e-3)


def test_the_right_template_is_found():
    values = np.linspace(0.0, 1.0, 11)
    templates = np.array([(1 - v) * TEMPLATES[0] / 13.5 + v * TEMPLATES[2] / 13.5 for v in values])
    counts = np.random.default_rng(3).poisson(4000 * templates[6] + BACKGROUND, (40, 4))
    found = best_value(values, template_scan(counts, templates, BACKGROUND, 0.2))
    assert found.mean() == pytest.approx(values[6], abs=4 * found.std() / np.sqrt(40) + 0.005)


def test_templates_that_cannot_be_fitted():
    with pytest.raises(FitError, match="same bins"):
        template_scan([[1.0, 2.0]], TEMPLATES, BACKGROUND, 0.2)
    with pytest.raises(FitError, match="merge bins"):
        template_scan([[1.0, 2.0]], [[1.0, 1.0]], [1.0, 0.0], 0.2)
