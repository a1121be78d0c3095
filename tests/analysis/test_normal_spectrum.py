"""Spectra of normal matrices: relative, with the rank, each estimator at the level nearest to that shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.analysis.normal_spectrum import normal_spectrum, numerical_rank, spectra_of
from scorelens.core.filters import MinimumNorm
from scorelens.estimators import FittedDenoiser, Gaussian
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.features import Fourier
from scorelens.estimators.spectral import EnergyScore, Exact, Filtered
from scorelens.results import schema

DRAWS = np.random.default_rng(0).standard_normal((40, 2))


def fourier(degree):
    return lambda dim: Fourier.lattice(dim, degree)


@pytest.fixture(scope="module")
def fitted():
    return {
        "gaussian": Gaussian().fit(DRAWS),
        "small": EnergyScore(features=fourier(1), solver=Exact(), sigmas=(0.5, 2.0), frame="coordinates").fit(
            DRAWS
        ),
        "large": EnergyScore(features=fourier(2), solver=Filtered(MinimumNorm()), sigmas=(1.0, 2.0)).fit(
            DRAWS
        ),
    }


@pytest.fixture(scope="module")
def found(fitted):
    return normal_spectrum(fitted, {"small": "exact"})


def test_those_without_equations_are_left_out(found, fitted):
    assert spectra_of(fitted["gaussian"]) is None
    assert found["estimator"].values.tolist() == ["small", "large"]
    assert found["solved_by"].values.tolist() == ["exact", "–"]
    schema.check(found, theory=["eigenvalue", "rank"])


def test_eigenvalues_are_those_of_the_matrix_over_the_largest(found):
    scale = np.sqrt(DRAWS.var(axis=0).mean())
    points, whole = (DRAWS - DRAWS.mean(axis=0)) / scale, np.hypot(scale, 0.5)
    matrix = NormalEquations.denoising(Fourier.lattice(2, 1), points, scale / whole, 0.5 / whole).matrix
    expected = np.linalg.eigvalsh(matrix)[::-1]
    small = found["eigenvalue"].sel(estimator="small", sigma=0.5).values
    np.testing.assert_allclose(small[:8], expected / expected[0], rtol=1e-9)
    assert np.isnan(small[8:]).all()
    assert found["count"].values.tolist() == [8, 24]


def test_every_level_shows_the_nearest_fit(found):
    assert found["sigma"].values.tolist() == [2.0, 1.0, 0.5]
    assert found["level"].sel(estimator="large").values.tolist() == [2.0, 1.0, 1.0]
    np.testing.assert_array_equal(
        found["eigenvalue"].sel(estimator="large", sigma=1.0),
        found["eigenvalue"].sel(estimator="large", sigma=0.5),
    )


def test_rank_and_minimum_are_those_of_the_fit(found, fitted):
    np.testing.assert_array_equal(
        found["rank"].sel(estimator="large", sigma=[1.0, 2.0]), fitted["large"].ranks.numpy()
    )
    assert found["bounded"].values.all()


class Told(FittedDenoiser):
    """No more than eigenvalues and levels."""

    name = "told"

    def __init__(self, values, **more):
        levels = torch.linspace(1.0, 2.0, len(values), dtype=torch.float64)
        buffers = {"normal_spectra": values, "sigmas": levels} | more
        super().__init__((2,), {key: torch.as_tensor(value) for key, value in buffers.items()})

    def posterior_mean(self, x, sigma):
        return x


def test_many_levels_and_eigenvalues_are_thinned():
    values = np.exp(-np.arange(1000) / 20.0) * np.ones((30, 1))
    found = normal_spectrum({"one": Told(values)})
    assert found.sizes["sigma"] == 8
    assert found["sigma"].values[[0, -1]].tolist() == [2.0, 1.0]
    assert found.sizes["index"] <= 200
    assert found["index"].values[[0, -1]].tolist() == [0, 999]
    np.testing.assert_allclose(found["eigenvalue"].values[0, 0], values[0, found["index"].values])
    assert int(found["rank"][0, 0]) == int(numerical_rank(values)[0]) < 1000


def test_an_unbounded_loss_is_told_and_a_zero_matrix_has_rank_zero():
    found = normal_spectrum({"one": Told([[2.0, 1.0], [0.0, 0.0]], bounded=[1, 0])})
    assert found["bounded"].values.tolist() == [[False, True]]
    assert found["rank"].values.tolist() == [[0, 2]]
    assert found["eigenvalue"].values[0].tolist() == [[0.0, 0.0], [1.0, 0.5]]


def test_one_matrix_for_all_levels_is_shown_at_each():
    once = Told([[4.0, 1.0]], sigmas=[np.nan])
    found = normal_spectrum({"one": Told([[2.0, 1.0], [3.0, 1.0]]), "once": once})
    assert found["sigma"].values.tolist() == [2.0, 1.0]
    assert found["eigenvalue"].sel(estimator="once").values.tolist() == [[1.0, 0.25]] * 2
    assert np.isnan(found["level"].sel(estimator="once")).all()
    alone = normal_spectrum({"once": once})
    assert alone.sizes["sigma"] == 1
    assert alone["eigenvalue"].values.ravel().tolist() == [1.0, 0.25]


def test_none_with_equations_is_refused(fitted):
    with pytest.raises(ValueError, match="normal matrix"):
        normal_spectrum({"gaussian": fitted["gaussian"]})
