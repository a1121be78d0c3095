"""What a kernel of noise makes of the data: moments, density, characteristic function."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scorelens.estimators.features import Affine, Bins, Hermite
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import BROWNIAN
from scorelens.generalization.statistics import StateFeatures
from scorelens.generalization.vkernel import (
    OutsideLeadingOrder,
    SmearedLaw,
    TimeBinned,
    as_printed,
    gaussian_characteristic_function,
)

GAUSSIAN = DataLaw.gaussian([0.4], [[0.7]])
MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
PLANE = DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]])
POINTS = DataLaw.points([[-1.0], [0.0], [1.0]])
AFFINE, AFFINE_2 = StateFeatures(Affine(1)), StateFeatures(Affine(2))
CUBIC = StateFeatures(Hermite([[1], [2], [3]]), intercept=True)
BINS = StateFeatures(Bins([-0.5, 0.6]))
X = np.array([[-0.7], [0.2], [1.5]])
GRID = np.linspace(0.0, 1.0, 101)


class TestSmearedLaw:
    @pytest.mark.parametrize(("law", "features"), [(GAUSSIAN, AFFINE), (PLANE, AFFINE_2)])
    def test_the_characteristic_function(self, law: DataLaw, features: StateFeatures) -> None:
        """[G28], by quadrature; 001, Eq. 24 lacks ``exp(-kappa |u|^2 / 2)``."""
        u = np.random.default_rng(0).normal(size=(6, law.dim)) * 1.5
        smeared = SmearedLaw(law, features, 0.15)
        closed = gaussian_characteristic_function(u, law.means[0], law.covariances[0], 0.15)
        np.testing.assert_allclose(smeared.characteristic_function(u), closed, atol=1e-10)
        printed = as_printed.characteristic_function_eq_24(u, law.means[0], law.covariances[0], 0.15)
        np.testing.assert_allclose(printed * np.exp(-0.075 * (u**2).sum(axis=1)), closed, rtol=1e-12)
        assert np.abs(printed - closed).max() > 0.02

    def test_its_curvature_is_the_covariance(self) -> None:
        """[G27]: of Eq. 24 as printed it is not the covariance of Eq. 22 as printed."""
        h, kappa = 1e-3, 0.1
        u = np.array([[h], [0.0], [-h]])

        def spread(values: np.ndarray) -> float:
            log = np.log(values)
            return float(-((log[0] - 2 * log[1] + log[2]) / h**2).real)

        true = SmearedLaw(GAUSSIAN, AFFINE, kappa)
        assert spread(true.characteristic_function(u)) == pytest.approx(
            float(true.covariance.item()), rel=1e-4
        )
        printed = as_printed.characteristic_function_eq_24(u, [0.4], [[0.7]], kappa)
        assert spread(printed) == pytest.approx(0.7 + kappa, rel=1e-4)
        assert as_printed.smeared_covariance_eq_22([[0.7]], kappa).item() == pytest.approx(0.7 + 2 * kappa)

    def test_more_features_than_dimensions(self) -> None:
        """[G27] with ``F = 3``, ``D = 1``: ``1 + F``, where 001, Eq. 22 has ``1 + D``."""
        smeared = SmearedLaw(MIXTURE, CUBIC, 0.05)
        x = smeared.sample(200_000, np.random.default_rng(1))[:, 0]
        square = (x - MIXTURE.mean) ** 2
        error = square.std() / math.sqrt(len(x))
        assert abs(square.mean() - smeared.covariance.item()) < 4.5 * error
        printed = as_printed.smeared_covariance_eq_22(MIXTURE.covariance, 0.05).item()
        assert abs(square.mean() - printed) > 10 * error
        assert abs(x.mean() - smeared.mean.item()) < 4.5 * x.std() / math.sqrt(len(x))

    @pytest.mark.parametrize("features", [AFFINE, CUBIC, BINS])
    def test_the_density_has_these_moments(self, features: StateFeatures) -> None:
        smeared = SmearedLaw(MIXTURE, features, 0.05)
        x = np.linspace(-30.0, 30.0, 6001)[:, None]
        mass = smeared.density(x) * 0.01
        assert mass.sum() == pytest.approx(1.0, rel=1e-5)
        assert mass @ x[:, 0] == pytest.approx(MIXTURE.mean.item(), rel=1e-4)
        waves = mass @ np.exp(1j * x[:, 0] * 0.8)
        assert abs(waves - smeared.characteristic_function([[0.8]])[0]) < 1e-5

    def test_what_is_generated_may_differ_from_the_training_data(self) -> None:
        """[G27], last form."""
        center = DataLaw.gaussian([0.9], [[0.3]])
        smeared = SmearedLaw(center, AFFINE, 0.1, training=GAUSSIAN)
        leverage = 1 + (0.3 + 0.5**2) / 0.7
        assert smeared.mean_leverage == pytest.approx(leverage, rel=1e-10)
        assert smeared.covariance.item() == pytest.approx(0.3 + 0.1 * leverage, rel=1e-10)

    def test_at_points(self) -> None:
        """A mixture of Gaussians, one per point."""
        smeared = SmearedLaw(POINTS, AFFINE, 0.1)
        leverage = 1 + np.array([1.0, 0.0, 1.0]) * 1.5
        wave = np.mean(np.exp(1j * POINTS.means[:, 0] * 2 - 0.2 * leverage))
        assert smeared.characteristic_function([[2.0]])[0] == pytest.approx(wave, rel=1e-12)
        normal = np.exp(-((0.3 - POINTS.means[:, 0]) ** 2) / (0.2 * leverage)) / np.sqrt(
            0.2 * np.pi * leverage
        )
        assert smeared.density([[0.3]])[0] == pytest.approx(normal.mean(), rel=1e-12)

    def test_from_a_sampler(self) -> None:
        binned = TimeBinned.of_total(AFFINE, GAUSSIAN, BROWNIAN, GRID, 4e6)
        last, whole = (SmearedLaw.of_bins(binned, all_steps=every) for every in (False, True))
        assert last.kappa == pytest.approx(0.5 / (4 * 4e4), rel=1e-9)
        assert whole.kappa == pytest.approx(last.kappa * math.pi**2 / 6)
        with pytest.warns(OutsideLeadingOrder):
            SmearedLaw.of_bins(TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.01], 10))

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="singular"):
            SmearedLaw(GAUSSIAN, StateFeatures(Bins([0.0]), intercept=True), 0.1)
        with pytest.raises(ValueError, match="kappa must be finite and >= 0"):
            SmearedLaw(GAUSSIAN, AFFINE, -0.1)
        with pytest.raises(ValueError, match="not smeared is `center`"):
            SmearedLaw(GAUSSIAN, AFFINE, 0.0).density(X)
        with pytest.raises(ValueError, match=r"u must have shape \(p, 1\)"):
            SmearedLaw(GAUSSIAN, AFFINE, 0.1).characteristic_function([0.3])
        with pytest.raises(ValueError, match="too narrow for quadrature"):
            SmearedLaw(GAUSSIAN, AFFINE, 1e-12).density(X)
