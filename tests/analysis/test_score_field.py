"""The score over the plane: the gradient of the density shown behind it, at every level."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.analysis.score_field import is_planar, score_field
from scorelens.estimators import Empirical, Gaussian, KernelLevels
from scorelens.estimators.base import WithEnergy
from scorelens.results import schema


class Bowl(WithEnergy):
    """The energy ``-|x|^2 / (2 (1 + sigma^2)) + 7``."""

    name = "bowl"

    def __init__(self):
        super().__init__((2,), {})

    def posterior_mean(self, x, sigma):
        return x / (1 + sigma[:, None] ** 2)

    def energy(self, x, sigma):
        return 7 - (x**2).sum(1) / (2 * (1 + sigma**2))


@pytest.fixture(scope="module")
def draws():
    return np.random.default_rng(0).standard_normal((400, 2)) @ np.array([[1.0, 0.4], [0.0, 0.6]]) + 3.0


@pytest.fixture(scope="module")
def found(draws):
    fitted = {
        "gaussian": Gaussian().fit(draws),
        "empirical": Empirical().fit(draws),
        "kernel": KernelLevels(sigmas=(0.5, 1.0)).fit(draws[:50]),
    }
    return score_field(fitted, draws, [0.5, 1.0], n_cells=41)


def test_levels_fall_and_labels_are_whole(found):
    schema.check(found, theory=["score_x", "score_y"])
    assert found["sigma"].values.tolist() == [1.0, 0.5]
    assert found["density"].values.tolist() == ["its own", "its own", "of the noised data"]
    assert found.sizes["sample"] == 300


@pytest.mark.parametrize("name", ["gaussian", "empirical"])
def test_the_score_is_the_slope_of_the_density(found, name):
    one = found.sel(estimator=name)
    for score, axis in (("score_x", "x"), ("score_y", "y")):
        slope = one["log_density"].differentiate(axis, edge_order=2)
        inner = {"x": slice(1, -1), "y": slice(1, -1)}
        # centred differences: error of order (step / sigma)^2 / 6
        np.testing.assert_allclose(
            slope.isel(inner).values,
            one[score].isel(inner).values,
            atol=0.02 * float(np.abs(one[score]).max()),
        )


def test_gaussian_score_is_that_of_its_moments(found, draws):
    covariance = np.cov(draws.T, bias=True)
    one = found.sel(estimator="gaussian", sigma=0.5)
    points = np.stack(np.meshgrid(one["x"], one["y"]), axis=-1) - draws.mean(axis=0)
    expected = -points @ np.linalg.inv(covariance + 0.25 * np.eye(2))
    np.testing.assert_allclose(np.stack([one["score_x"], one["score_y"]], axis=-1), expected, atol=1e-10)


def test_a_density_is_one_in_all_and_the_borrowed_one_is_the_datas(found):
    area = float(found["x"][1] - found["x"][0]) ** 2
    mass = np.exp(found["log_density"].sel(sigma=0.5)).sum(("x", "y")).values * area
    assert np.all((mass[:2] > 0.9) & (mass[:2] < 1.001))
    np.testing.assert_array_equal(
        found["log_density"].sel(estimator="kernel"), found["log_density"].sel(estimator="empirical")
    )


def test_the_square_holds_the_data_and_the_peak_is_at_an_event(found, draws):
    for i, axis in enumerate("xy"):
        inside = (draws[:, i] > float(found[axis][0])) & (draws[:, i] < float(found[axis][-1]))
        assert inside.mean() > 0.99
    np.testing.assert_allclose(np.ptp(found["x"].values), np.ptp(found["y"].values))
    highest = found["log_density"].max(("x", "y"))
    assert (found["log_peak"] <= highest).all()
    assert (found["log_peak"] > highest - 0.5).all()


def test_an_energy_gets_the_factor_that_suits_the_data():
    draws = np.random.default_rng(1).standard_normal((4000, 2))
    found = score_field({"bowl": Bowl(), "empirical": Empirical().fit(draws)}, draws, [1.0], n_cells=31)
    assert found["density"].values[0] == "its own up to a factor"
    own, data = (found["log_density"].isel(estimator=i, sigma=0) for i in (0, 1))
    middle = own.values[15, 15], data.values[15, 15]
    assert middle[0] == pytest.approx(-np.log(4 * np.pi), abs=0.1)
    assert middle[0] == pytest.approx(middle[1], abs=0.1)


def test_default_levels_are_parts_of_the_datas_deviation(draws):
    found = score_field({"gaussian": Gaussian().fit(draws)}, draws, n_cells=3)
    spread = np.sqrt(draws.var(axis=0).mean())
    np.testing.assert_allclose(found["sigma"], spread * np.array([1.0, 0.5, 0.25, 0.1]))


def test_events_of_two_values_in_any_shape(draws):
    images = draws.reshape(-1, 1, 2)
    found = score_field({"gaussian": Gaussian().fit(images)}, images, [1.0], n_cells=3)
    flat = score_field({"gaussian": Gaussian().fit(draws)}, draws, [1.0], n_cells=3)
    np.testing.assert_allclose(found["score_x"], flat["score_x"])
    assert is_planar((1, 2))
    assert not is_planar((3,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": np.zeros((5, 3))}, "shape"),
        ({"data": np.full((5, 2), np.nan)}, "non-finite"),
        ({"data": np.zeros((5, 2))}, "standard deviation"),
        ({"sigmas": [0.0]}, "sigmas must be"),
        ({"sigmas": []}, "number of sigmas"),
        ({"denoisers": {}}, "number of estimators"),
    ],
)
def test_bad_input(settings, message):
    draws = np.eye(2)
    given = {"denoisers": {"gaussian": Gaussian().fit(torch.eye(2))}, "data": draws} | settings
    with pytest.raises(ValueError, match=message):
        score_field(**given)
