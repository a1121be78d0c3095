"""The V kernel: its three readings, what all steps add, and where each is refused."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.integrate import quad

from scorelens.estimators.equations.time_separable import Intervals
from scorelens.estimators.features import Affine, Bins, Hermite, Monomials
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import generated_moments
from scorelens.generalization.schedules import BROWNIAN, PolynomialSchedule, SubVariancePreservingSchedule
from scorelens.generalization.statistics import (
    MixtureFeatures,
    OneTime,
    SeparableFeatures,
    SharedWeights,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
    linear_score_covariance,
    target_products,
)
from scorelens.generalization.vkernel import (
    POINT_FACTOR,
    SMOOTH_FACTOR,
    OutsideLeadingOrder,
    ProportionalKernel,
    SharedKernel,
    SmearedLaw,
    Status,
    TimeBinned,
    added_covariance,
    as_printed,
    earlier_steps_factor,
    finite_sample_correction,
    noise_share,
    proportional_factor,
    score_jacobian,
    validity,
)

GAUSSIAN = DataLaw.gaussian([0.4], [[0.7]])
MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
PLANE = DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]])
POINTS = DataLaw.points([[-1.0], [0.0], [1.0]])
AFFINE, AFFINE_2 = StateFeatures(Affine(1)), StateFeatures(Affine(2))
CUBIC = StateFeatures(Hermite([[1], [2], [3]]), intercept=True)
VP = PolynomialSchedule([1.0], [2.0])
X = np.array([[-0.7], [0.2], [1.5]])
GRID = np.linspace(0.0, 1.0, 101)


class TestTimeBins:
    def test_the_last_step(self) -> None:
        """[G20]: ``Z / (4 c) L``, for ``sigma_1^2 = g_0^2 dt``; 001, Eq. 20 has another unit."""
        n_total, z = 4e6, 0.5
        binned = TimeBinned.of_total(CUBIC, GAUSSIAN, BROWNIAN, GRID, n_total)
        c = n_total * 0.01
        leverage = OneTime(CUBIC, GAUSSIAN, 1.0, 0.1).leverage(X)
        found = binned.last_step(X)
        np.testing.assert_allclose(found.covariance[:, 0, 0], z / (4 * c) * leverage, rtol=1e-10)
        assert binned.smear == pytest.approx(z / (4 * c), rel=1e-10)
        assert found.validity.status is Status.REACHED
        assert found.validity.smear_share == pytest.approx(4 / (4 * binned.n_samples[0]))
        printed = as_printed.kernel_eq_20(leverage, z, c)
        np.testing.assert_allclose(printed / found.covariance[:, 0, 0], 1 / z**2, rtol=1e-9)

    def test_the_kernel_of_shared_weights_on_time_bins(self) -> None:
        """[G19] times ``dt^2``: indicators of intervals make reading A the reading B."""
        edges, n = np.array([0.49, 0.5, 0.7]), 40_000
        times = TrainingTimes(TimeFunction.constant(), TimeFunction.constant(), edges[0], edges[-1])
        features = SeparableFeatures(AFFINE, Intervals(tuple(edges)))
        whole = SharedKernel(SharedWeights(features, MIXTURE, BROWNIAN, times), n)
        share = 0.01 / 0.21
        binned = TimeBinned(AFFINE, MIXTURE, BROWNIAN, [0.485, 0.495, 0.7], [n * share, n])
        found = whole.velocity_covariance(X, 0.495).covariance * 0.01**2
        np.testing.assert_allclose(found, binned.two_point_covariance(1, X, X).covariance, rtol=1e-3)
        np.testing.assert_allclose(
            np.einsum("pipj->pij", found), binned.step_covariance(1, X, "sandwich").covariance, rtol=1e-3
        )
        apart = whole.velocity_covariance(X, 0.495, X, 0.6).covariance
        assert np.abs(apart).max() < 1e-9 * np.abs(found).max() / 0.01**2

    def test_the_exact_order_is_the_exact_covariance(self) -> None:
        x = np.array([[0.3, -0.2], [1.5, 0.6]])
        binned = TimeBinned(AFFINE_2, PLANE, VP, [0.0, 0.2, 0.5], 12)
        exact = linear_score_covariance(PLANE, math.exp(-0.5), math.sqrt(1 - math.exp(-1.0)), 12, x)
        np.testing.assert_allclose(
            binned.score_covariance(2, x, "exact"), np.einsum("pipj->pij", exact), rtol=1e-12
        )
        push = 0.3
        np.testing.assert_allclose(
            binned.step_covariance(2, x, "exact").covariance,
            push**2 * np.einsum("pipj->pij", exact),
            rtol=1e-12,
        )

    def test_orders_agree_where_the_noise_is_small_and_samples_are_many(self) -> None:
        binned = TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 1e-4], 1e6)
        of_order = [
            binned.step_covariance(1, X, order).covariance for order in ("leading", "sandwich", "exact")
        ]
        np.testing.assert_allclose(of_order[1], of_order[0], rtol=1e-3)
        np.testing.assert_allclose(of_order[2], of_order[1], rtol=1e-4)

    def test_numbers_of_samples_follow_the_density(self) -> None:
        binned = TimeBinned.of_total(AFFINE, GAUSSIAN, BROWNIAN, GRID, 1e6, TimeFunction.constant())
        np.testing.assert_allclose(binned.n_samples, 1e4)
        np.testing.assert_allclose(
            TimeBinned.of_total(AFFINE, GAUSSIAN, BROWNIAN, GRID, 1e6).n_samples, 2e4 * GRID[1:]
        )


class TestAllSteps:
    @pytest.mark.parametrize(("steps", "expected"), [(50, 1.51), (200, 1.60)])
    def test_the_share_of_earlier_steps(self, steps: int, expected: float) -> None:
        """[G22], finding 6: 1.51 and 1.60 on the way to ``pi^2 / 6``."""
        times = np.linspace(0.0, 1.0, steps + 1)
        law = DataLaw.gaussian([0.0], [[1.0]])
        n_total = 500 * steps**2 / 2
        binned = TimeBinned.of_total(AFFINE, law, BROWNIAN, times, n_total)
        assert binned.n_samples[0] == pytest.approx(500)
        n = binned.n_samples
        noisy = generated_moments(law, BROWNIAN, times, n, [0.0], [[2.0]]).covariance[0]
        free = generated_moments(law, BROWNIAN, times, n, [0.0], [[2.0]], noise="none").covariance[0]
        assert float((noisy - free)[0, 0]) / (2 * binned.smear) == pytest.approx(expected, abs=0.025)

    def test_along_trajectories_it_is_the_exact_recursion(self) -> None:
        """To first order in ``1 / n``; the linearised steps of an affine score are exact."""
        law, times, n = PLANE, np.linspace(0.0, 1.0, 9), 1e6
        binned = TimeBinned(AFFINE_2, law, VP, times, n)
        start = np.array([[1.2, 0.3], [0.3, 0.9]])
        root = np.linalg.cholesky(start)
        points = np.sqrt(2) * np.concatenate([root.T, -root.T])  # four points of this mean and covariance
        found = added_covariance(binned, points, "sandwich")
        noisy = generated_moments(law, VP, times, n, np.zeros(2), start).covariance[0]
        free = generated_moments(law, VP, times, n, np.zeros(2), start, noise="none")
        np.testing.assert_allclose(found.covariance.mean(axis=0), noisy - free.covariance[0], rtol=2e-5)
        np.testing.assert_allclose(found.end.mean(axis=0), free.mean[0], rtol=1e-10)

    def test_constants(self) -> None:
        """``sum 1/k^2``, and with a point mass' contraction ``4 (4 / pi - 1) = 1.0930``."""
        assert earlier_steps_factor(1) == 1.0
        assert earlier_steps_factor(10**6) == pytest.approx(SMOOTH_FACTOR, abs=2e-6)
        assert earlier_steps_factor(10**6, point_mass=True) == pytest.approx(POINT_FACTOR, abs=1e-11 + 1e-9)
        assert round(POINT_FACTOR, 4) == 1.0930

    def test_the_jacobian_of_a_well_specified_score(self) -> None:
        fit = OneTime(MixtureFeatures(MIXTURE), MIXTURE, 0.9, 0.4)
        curvature = MIXTURE.target_covariance(X, 0.9, 0.4) - 1 / 0.4**2
        np.testing.assert_allclose(score_jacobian(fit, X), curvature, rtol=1e-6, atol=1e-7)

    def test_the_slope_of_bins_is_that_between_their_edges(self) -> None:
        """Also at an edge, where a difference quotient would give the jump over its width."""
        law = DataLaw.gaussian([0.0], [[1.0]])
        fit = OneTime(StateFeatures(Bins([-0.5, 0.7])), law, 0.9, 0.4)
        at = np.array([[0.7], [0.7 - 1e-5], [0.7 + 1e-5], [0.0]])
        assert np.ptp(fit.score(at)) > 0.5
        np.testing.assert_array_equal(score_jacobian(fit, at), np.zeros((4, 1, 1)))


class TestValidity:
    def test_the_correction_is_that_of_the_exact_covariance(self) -> None:
        d, n = 3, 17
        law = DataLaw.gaussian(np.zeros(d), np.eye(d))
        points = np.sqrt(d) * np.eye(d)  # the mean of |x|^2 / (1 + std^2) over them is that of the data
        exact = linear_score_covariance(law, 0.6, 0.8, n, points)
        target = law.component_target_covariance(0.6, 0.8)[0, 0, 0]
        ratio = np.einsum("pipi->p", exact).mean() / d / target / ((d + 1) / n)
        assert finite_sample_correction(n, d + 1) == pytest.approx(ratio - 1, rel=1e-12)

    @pytest.mark.parametrize(
        ("n", "status"), [(5.5, Status.FEW_SAMPLES), (20, Status.FEW_SAMPLES), (500, Status.REACHED)]
    )
    def test_statuses(self, n: float, status: Status) -> None:
        assert validity(n, 4, 0.01).status is status

    def test_one_sample_more_than_features_has_no_variance(self) -> None:
        assert math.isinf(finite_sample_correction(5, 4))
        assert math.isfinite(finite_sample_correction(5.01, 4))

    @pytest.mark.parametrize("n", [4.0, 3.2])
    def test_no_more_samples_than_features_are_refused(self, n: float) -> None:
        """[G21]: the fit does not exist; nothing is returned."""
        binned = TimeBinned(CUBIC, GAUSSIAN, BROWNIAN, [0.0, 0.01, 0.02], [n, 1000])
        for ask in (
            lambda: binned.last_step(X),
            lambda: binned.step_covariance(1, X, "sandwich"),
            lambda: added_covariance(binned, X),
            lambda: SmearedLaw.of_bins(binned),
        ):
            with pytest.raises(
                ValueError, match=rf"4 features needs more than 4 samples, got {n:.4g}: .*longer bins"
            ):
                ask()
        assert binned.step_covariance(2, X).validity.status is Status.REACHED

    def test_at_fixed_c_the_fit_ceases_to_exist(self) -> None:
        """[G21]: ``n_1 = g_0^2 dt c / Z`` goes to zero with ``dt`` at fixed ``c = N dt``."""
        for steps, exists in ((10, True), (1000, False)):
            binned = TimeBinned.of_total(AFFINE, GAUSSIAN, BROWNIAN, np.linspace(0, 1, steps + 1), 20 * steps)
            assert binned.n_samples[0] == pytest.approx(20 / steps / 0.5)
            assert bool(binned.n_samples[0] > 2) is exists

    def test_warnings_say_by_how_much(self) -> None:
        binned = TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.01], 12)
        with pytest.warns(OutsideLeadingOrder, match=r"12 samples for 2 features: .* by 22 %"):
            found = binned.last_step(X)
        assert found.validity.correction == pytest.approx(0.2222, abs=1e-4)
        with pytest.warns(OutsideLeadingOrder, match="without bound"):
            TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.01], 3).last_step(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            binned.last_step(X, "exact")

    def test_points_have_no_such_noise(self) -> None:
        """[G30]: the leading order takes noise that the features have explained; it says so."""
        features = MixtureFeatures(POINTS, intercept=True)
        binned = TimeBinned(features, POINTS, BROWNIAN, [0.0, 0.0225], 1e5)
        with pytest.warns(OutsideLeadingOrder, match=r"given x, [0-9] % .*order='sandwich'"):
            leading = binned.last_step(POINTS.means)
        assert leading.validity.status is Status.NOISE_NOT_DOMINANT
        assert leading.validity.noise_share < 0.05
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            true = binned.last_step(POINTS.means, "sandwich")
        assert (true.covariance < 0.02 * leading.covariance).all()

    def test_the_worst_step_may_be_any(self) -> None:
        """Equal samples: the noise of the last step dominates, that of the others does not ([G4])."""
        law = DataLaw.gaussian([0.0], [[1.0]])
        binned = TimeBinned(AFFINE, law, BROWNIAN, [0.0, 0.01, 1.0, 9.0], 1000)
        assert binned.validity(1).status is Status.REACHED
        assert [round(binned.validity(step).noise_share, 6) for step in (2, 3)] == [0.5, 0.1]
        with pytest.warns(OutsideLeadingOrder, match="given x, 10 %"):
            found = added_covariance(binned, X)
        assert found.validity == binned.worst_validity() == binned.validity(3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            added_covariance(binned, X, "sandwich")
        few = TimeBinned(AFFINE, law, BROWNIAN, [0.0, 0.01, 1.0, 9.0], [1000, 3, 1000])
        with pytest.warns(OutsideLeadingOrder, match="3 samples .* without bound"):
            assert added_covariance(few, X).validity.n_samples == 3

    def test_the_share_of_noise(self) -> None:
        fit = OneTime(AFFINE, GAUSSIAN, 1.0, 0.5)
        assert noise_share(fit) == pytest.approx(0.7 / 0.95, rel=1e-12)

    def test_inputs(self) -> None:
        with pytest.raises(ValueError, match="two rising numbers"):
            TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.1, 0.1], 100)
        with pytest.raises(ValueError, match=r"one number or \(2,\), one per step, got \(3,\)"):
            TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.1, 0.2], [9, 9, 9])
        binned = TimeBinned(CUBIC, MIXTURE, BROWNIAN, [0.0, 0.1, 0.2], 900)
        with pytest.raises(ValueError, match=r"numbered 1 \(the last\) to 2"):
            binned.step_covariance(3, X)
        with pytest.raises(ValueError, match=r"order 'exact' is known for one Gaussian"):
            binned.last_step(X, "exact")
        with pytest.raises(ValueError, match=r"above d \+ 2 = 3 for order .exact., got 2\.5"):
            TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.1], 2.5).last_step(X, "exact")
        with pytest.raises(ValueError, match="unknown order"):
            binned.last_step(X, "first")  # pyright: ignore


class TestShared:
    @staticmethod
    def kernel(n: int, t_min: float = 0.05, schedule=BROWNIAN) -> SharedKernel:
        times = TrainingTimes(TimeFunction.of_variance(schedule), TimeFunction.constant(), t_min, 1.0)
        return SharedKernel(SharedWeights(AFFINE, GAUSSIAN, schedule, times), n)

    def test_it_is_the_covariance_of_velocities(self) -> None:
        schedule = PolynomialSchedule([0.5], [1.0, 3.0])
        kernel = self.kernel(4000, schedule=schedule)
        t, other = np.array([0.2, 0.5, 0.9]), np.array([0.3, 0.7, 0.4])
        found = kernel.velocity_covariance(X, t, X + 0.1, other).covariance
        half, half_other = (1 + 3 * t) / 2, (1 + 3 * other) / 2
        score = kernel.fit.covariance(X, t, X + 0.1, other) / 4000
        np.testing.assert_allclose(
            found[:, 0, :, 0], np.outer(half, half_other) * score[:, 0, :, 0], rtol=1e-12
        )

    def test_what_is_left_out_is_that_of_the_first(self) -> None:
        kernel = self.kernel(2000)
        between = kernel.velocity_covariance(X, 0.5, X, 0.2).covariance
        np.testing.assert_allclose(kernel.velocity_covariance(X, 0.5, other_t=0.2).covariance, between)
        other = kernel.velocity_covariance(X, 0.5, X[:2], 0.5).covariance
        np.testing.assert_allclose(kernel.velocity_covariance(X, 0.5, X[:2]).covariance, other)

    def test_at_fixed_c_it_goes_to_zero(self) -> None:
        """[G16]: like ``dt log(1 / dt)``; 001, Eq. 49 stays constant (finding 3)."""
        found, printed = [], []
        for dt in (0.1, 0.01, 0.001):
            kernel = self.kernel(round(20 / dt), dt)
            found.append(float(kernel.velocity_covariance(X[:1], 0.5).covariance.item()))
            printed.append(float(as_printed.score_covariance_eq_49(kernel.fit, 20.0, X[:1], 0.5).item()))
        assert found[0] > 3 * found[1] > 9 * found[2]
        assert max(printed) < 1.4 * min(printed)
        assert printed[2] / 4 > 20 * found[2]

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="2 features needs more than 2 samples"):
            self.kernel(2).velocity_covariance(X, 0.5)
        with pytest.warns(OutsideLeadingOrder, match="15 samples"):
            self.kernel(15).velocity_covariance(X, 0.5)


class TestProportional:
    def test_the_limit_of_many_dimensions(self) -> None:
        """[G12] at ``d = n / 2`` for growing ``n``: the mean bracket tends to ``kappa / (1 - kappa) = 1``."""
        apart = []
        for d in (20, 200):
            law, n = DataLaw.gaussian(np.zeros(d), np.eye(d)), 2 * d
            kernel = ProportionalKernel(law, VP, 0.5)
            alpha, std = math.exp(-0.4), math.sqrt(1 - math.exp(-0.8))
            x = np.sqrt(d) * np.eye(d)[:1]
            exact = linear_score_covariance(law, alpha, std, n, x)[0, :, 0, :]
            apart.append(abs(exact[0, 0] / kernel.velocity_covariance(0.4, x)[0, 0, 0, 0] - 1))
            np.testing.assert_allclose(
                kernel.velocity_covariance(0.4, x)[0, :, 0, :],
                kernel.typical_velocity_covariance(0.4),
                rtol=1e-10,
            )
        assert apart[1] < 0.02
        assert apart[0] > 5 * apart[1]

    def test_refusals(self) -> None:
        assert proportional_factor(0.8) == pytest.approx(4.0)
        with pytest.raises(ValueError, match="below 1, got 1"):
            proportional_factor(1.0)
        with pytest.raises(ValueError, match="one Gaussian"):
            ProportionalKernel(MIXTURE, VP, 0.5)


class TestAsPrinted:
    @pytest.mark.parametrize(
        "schedule", [SubVariancePreservingSchedule([1.0]), PolynomialSchedule([1.0], [0.0, 2.0])]
    )
    def test_eq_3(self, schedule) -> None:
        """001, Eq. 3: right for a constant ratio of the coefficients alone ([G1])."""
        printed = as_printed.variance_eq_3(schedule, 1.5)
        direct, _ = quad(lambda u: schedule.diffusion_squared(u) * schedule.alpha(u) ** 2, 0, 1.5)
        assert float(printed) == pytest.approx(direct, rel=1e-8)
        assert abs(float(printed / schedule.variance(1.5)) - 1) > 0.1
        assert float(as_printed.variance_eq_3(VP, 1.5)) == pytest.approx(float(VP.variance(1.5)))

    def test_eq_25(self) -> None:
        np.testing.assert_allclose(as_printed.bin_leverage_eq_25([0.2]) + 1, 5.0)

    def test_eq_47(self) -> None:
        """001, Eq. 47: grows like ``1 / dt`` where the true one grows like its logarithm, and is diagonal."""
        features = StateFeatures(Monomials([[1, 0], [0, 1]]), intercept=True)
        ratios = []
        for dt in (0.01, 0.001):
            times = TrainingTimes(TimeFunction.of_variance(BROWNIAN), TimeFunction.constant(), dt, 1.0)
            fit = SharedWeights(features, PLANE, BROWNIAN, times)
            true, printed = target_products(fit, 0, 0), as_printed.target_products_eq_47(fit, 0, 0)
            ratios.append(float(printed[0, 0] / true[0, 0]))
            off = target_products(fit, 0, 1)
            assert np.abs(off).max() > 0.5
            assert not as_printed.target_products_eq_47(fit, 0, 1).any()
        assert ratios[1] > 6 * ratios[0] > 60
