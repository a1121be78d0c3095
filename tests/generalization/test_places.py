"""Places `x (p, d)`: what is refused, and standard coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.generalization.laws import DataLaw
from scorelens.generalization.places import places, standardised
from scorelens.generalization.schedules import BROWNIAN
from scorelens.generalization.statistics import affine_leverage, linear_score_covariance
from scorelens.generalization.vkernel import ProportionalKernel

LAW = DataLaw.gaussian([0.5, -1.0], [[2.0, 0.6], [0.6, 1.0]])
USES = {
    "places": lambda x: places("x", x, 2),
    "leverage": lambda x: affine_leverage(x, LAW.mean, LAW.covariance),
    "linear score": lambda x: linear_score_covariance(LAW, 1.0, 0.5, 20, x),
    "other linear score": lambda x: linear_score_covariance(LAW, 1.0, 0.5, 20, [[0.0, 0.0]], x),
    "proportional": lambda x: ProportionalKernel(LAW, BROWNIAN, 0.1).velocity_covariance(0.5, x),
    "score": lambda x: LAW.score(x, 1.0, 0.5),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_refusals(use) -> None:
    for wrong in ([0.0, 1.0], [[0.0]], 1.0, np.zeros((1, 2, 1))):
        with pytest.raises(ValueError, match=r"x must have shape \([np], 2\), got"):
            use(wrong)
    with pytest.raises(ValueError, match=r"x holds 1 non-finite.*index \(1, 0\)"):
        use([[0.0, 0.0], [np.nan, 0.0]])


def test_inner_products_of_standard_coordinates() -> None:
    x = np.random.default_rng(0).normal(size=(5, 2))
    found, apart = standardised(x, LAW.mean, LAW.covariance), x - LAW.mean
    np.testing.assert_allclose(found @ found.T, apart @ np.linalg.inv(LAW.covariance) @ apart.T, rtol=1e-12)
