"""Bins of the plane: their averages against error functions, and which data they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics import OneTime
from scorelens.studies.score_variance.cells import Cells
from scorelens.studies.score_variance.dynamics import PLANE


def test_averages_over_cells_are_products_of_error_functions():
    edges, std = np.array([-0.5, 0.3]), 0.7
    fit = OneTime(Cells(edges, 2), PLANE, 1.0, std)
    width = np.sqrt(0.16 + std**2)
    z = (np.r_[-np.inf, edges, np.inf] - PLANE.means[..., None]) / width
    share, density = np.diff(ndtr(z)), np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / width
    mass = PLANE.weights @ np.einsum("ka,kb->kab", share[:, 0], share[:, 1]).reshape(2, -1)
    np.testing.assert_allclose(fit.second_moment, np.diag(mass), atol=1e-13)
    flux = np.diff(density)  # of the score, whose mean over a cell is that of the density's slope
    of_x = PLANE.weights @ np.einsum("ka,kb->kab", flux[:, 0], share[:, 1]).reshape(2, -1)
    of_y = PLANE.weights @ np.einsum("ka,kb->kab", share[:, 0], flux[:, 1]).reshape(2, -1)
    np.testing.assert_allclose(fit.optimum, np.array([of_x, of_y]) / mass, atol=1e-12)


def test_data_that_are_not_isotropic_are_refused():
    law = DataLaw.gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 2.0]])
    with pytest.raises(ValueError, match="breaks need a line"):
        _ = OneTime(Cells(np.zeros(1), 2), law, 1.0, 0.5).second_moment
