"""The reverse dynamics with a fitted score: recursion, Euler scheme with noise, and random fields."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.linalg import expm

from scorelens.estimators.features import Affine, Bins
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import (
    FieldEnsemble,
    euler_ensemble,
    generated_moments,
    mean_score,
    noise_free,
)
from scorelens.generalization.schedules import BROWNIAN, PolynomialSchedule
from scorelens.generalization.statistics import SharedWeights, StateFeatures, TimeFunction, TrainingTimes
from scorelens.generalization.vkernel import OutsideLeadingOrder, TimeBinned

AFFINE, AFFINE_2 = StateFeatures(Affine(1)), StateFeatures(Affine(2))
PLANE = DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]])
MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
VP, GROWING = PolynomialSchedule([1.0], [2.0]), PolynomialSchedule([0.3], [0.5, 2.0])
TIMES = np.linspace(0.0, 1.0, 9)
START = np.array([[1.2, 0.3], [0.3, 0.9]])
NARROW = 0.01 * START


class TestRecursion:
    def test_without_noise_many_steps_return_the_data(self) -> None:
        """[G26]: from the exact start the ODE's end has the data's moments."""
        times = 1.5 * np.linspace(0.0, 1.0, 801) ** 2
        for schedule in (VP, GROWING):
            noised = PLANE.noised(float(schedule.alpha(1.5)), float(schedule.std(1.5)))
            found = generated_moments(
                PLANE, schedule, times, 100, noised.mean, noised.covariance, noise="none"
            )
            np.testing.assert_allclose(found.covariance[0], PLANE.covariance, rtol=1e-2)
            np.testing.assert_allclose(found.mean[0], PLANE.mean, rtol=1e-2)

    def test_one_step_by_hand(self) -> None:
        """[G23] for ``d = 1``: data ``N(0, 1)``, Brownian noise from 1 to 0, ``n = 5``."""
        law = DataLaw.gaussian([0.0], [[1.0]])
        found = generated_moments(law, BROWNIAN, [0.0, 1.0], 5, [0.6], [[2.0]])
        target, q = 1 - 0.5, (2.0 + 0.36) / 2
        assert found.covariance[0].item() == pytest.approx(0.75**2 * 2 + target / 4 * (0.2 + (q + 0.2) / 2))
        assert found.mean[0].item() == pytest.approx(0.75 * 0.6)

    def test_the_last_step_alone(self) -> None:
        arguments = (PLANE, VP, TIMES, 20, [0.1, 0.2], START)
        last, none, whole = (
            generated_moments(*arguments, noise=kind) for kind in ("last-step", "none", "exact")
        )
        np.testing.assert_array_equal(last.covariance[1:], none.covariance[1:])
        assert np.linalg.eigvalsh(whole.covariance[0] - last.covariance[0]).min() > 0
        assert np.linalg.eigvalsh(last.covariance[0] - none.covariance[0]).min() > 0

    def test_numbers_of_samples_per_step(self) -> None:
        same = generated_moments(PLANE, VP, TIMES, np.full(8, 20), [0.1, 0.2], START)
        one = generated_moments(PLANE, VP, TIMES, 20, [0.1, 0.2], START)
        np.testing.assert_array_equal(same.covariance, one.covariance)
        few_last = generated_moments(PLANE, VP, TIMES, [5, *[20] * 7], [0.1, 0.2], START)
        np.testing.assert_array_equal(few_last.covariance[1:], one.covariance[1:])
        assert np.trace(few_last.covariance[0]) > np.trace(one.covariance[0])

    def test_a_degenerate_gaussian(self) -> None:
        law = DataLaw.gaussian([0.3, -0.5], [[1.0, 1.0], [1.0, 1.0]])
        found = generated_moments(law, VP, TIMES, 10, [0.0, 0.0], np.eye(2))
        assert np.isfinite(found.covariance).all()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"n_samples": 4}, r"above d \+ 2 = 4 at every step, got 4"),
            ({"n_samples": [9, 9]}, r"one number or \(8,\)"),
            ({"law": MIXTURE}, r"one Gaussian, got 2 components"),
            ({"start_mean": [0.0]}, r"\(2,\) and \(2, 2\)"),
            ({"times": [1.0, 0.0]}, "rising"),
            ({"noise": "first"}, "unknown noise"),
        ],
    )
    def test_refusals(self, change, message: str) -> None:
        given = {"law": PLANE, "schedule": VP, "times": TIMES, "n_samples": 20}
        given |= {"start_mean": [0.0, 0.0], "start_covariance": START}
        with pytest.raises(ValueError, match=message):
            generated_moments(**(given | change))  # pyright: ignore


class TestEulerEnsemble:
    def test_it_has_the_moments_of_the_recursion(self) -> None:
        """Section 7 with [G12] is [G23]; a factor of 1.3 in the noise would be seen."""
        rng, count, n = np.random.default_rng(0), 60_000, 8
        binned = TimeBinned(AFFINE_2, PLANE, VP, TIMES, n)
        start = np.array([0.1, 0.2]) + rng.standard_normal((count, 2)) @ np.linalg.cholesky(NARROW).T
        x = euler_ensemble(binned, start, rng, order="exact")
        exact, free = (
            generated_moments(PLANE, VP, TIMES, n, [0.1, 0.2], NARROW, noise=kind)
            for kind in ("exact", "none")
        )
        apart = x - exact.mean[0]
        products = apart[:, :, None] * apart[:, None]
        error = products.std(axis=0) / math.sqrt(count)
        assert (np.abs(products.mean(axis=0) - exact.covariance[0]) < 4.5 * error).all()
        added = exact.covariance[0] - free.covariance[0]
        assert (0.3 * added > 4.5 * error).diagonal().all()
        assert (np.abs(apart.mean(axis=0)) < 4.5 * x.std(axis=0) / math.sqrt(count)).all()

    def test_the_bias_is_part_of_the_drift(self) -> None:
        binned = TimeBinned(AFFINE, MIXTURE, BROWNIAN, [0.0, 0.1], 60)
        start = np.tile([[0.8]], (20_000, 1))
        x = euler_ensemble(binned, start, np.random.default_rng(1))
        without, biased = (
            noise_free(binned, start[:1]).item(),
            noise_free(binned, start[:1], bias=True).item(),
        )
        error = x.std() / math.sqrt(len(x))
        assert abs(x.mean() - biased) < 4.5 * error
        fit = binned.fit(1)
        assert biased - without == pytest.approx(0.05 * fit.bias(start[:1]).item() / 60, rel=1e-9)
        assert x.var() == pytest.approx(
            binned.step_covariance(1, start[:1], "sandwich").covariance.item(), rel=0.05
        )

    def test_the_same_noise_with_and_without_the_bias(self) -> None:
        binned, start = TimeBinned(AFFINE, MIXTURE, BROWNIAN, [0.0, 0.1], 60), np.array([[0.8], [-1.5]])
        ends = [euler_ensemble(binned, start, np.random.default_rng(0), bias=bias) for bias in (True, False)]
        expected = 0.05 * binned.fit(1).bias(start) / 60
        np.testing.assert_allclose(ends[0] - ends[1], expected, rtol=1e-9)
        assert (np.abs(expected) > 1e-5).all()

    def test_the_bias_is_over_the_samples_of_its_step(self) -> None:
        binned, x = TimeBinned(AFFINE, MIXTURE, BROWNIAN, [0.0, 0.1, 0.2], [50, 200]), np.array([[0.8]])
        for step, n in ((1, 50), (2, 200)):
            fit = binned.fit(step)
            found = mean_score(binned, step, x) - mean_score(binned, step, x, bias=False)
            np.testing.assert_allclose(found, fit.bias(x) / n, rtol=1e-9)

    def test_refusals(self) -> None:
        few = TimeBinned(AFFINE, MIXTURE, VP, TIMES, [2, *[100] * 7])
        with pytest.raises(ValueError, match="needs more than 2 samples"):
            euler_ensemble(few, [[0.0]], np.random.default_rng(0))
        with pytest.warns(OutsideLeadingOrder, match="9 samples"):
            euler_ensemble(
                TimeBinned(AFFINE, MIXTURE, VP, TIMES, [100, 9, *[100] * 6]),
                [[0.0]],
                np.random.default_rng(0),
            )
        equal = TimeBinned(AFFINE, MIXTURE, BROWNIAN, [0.0, 0.01, 1.0, 9.0], 1000)
        with pytest.warns(OutsideLeadingOrder, match=r"given x, [0-9]+ % .*order='sandwich'"):
            euler_ensemble(equal, [[0.0]], np.random.default_rng(0), order="leading")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            euler_ensemble(equal, [[0.0]], np.random.default_rng(0))
        with pytest.raises(ValueError, match=r"shape \(p, 1\)"):
            euler_ensemble(few, [0.0], np.random.default_rng(0))


class TestRandomField:
    @staticmethod
    def fit(features=AFFINE_2, law=PLANE) -> SharedWeights:
        times = TrainingTimes(TimeFunction.of_variance(VP), TimeFunction.constant(), 0.05, 1.0)
        return SharedWeights(features, law, VP, times)

    def test_the_draws_have_the_law_of_the_fit(self) -> None:
        """Mean optimum plus bias ([G10]), covariance [G9]."""
        fit, n, members = self.fit(AFFINE, MIXTURE), 300, 20_000
        x = np.array([[-1.0], [0.7]])
        field = FieldEnsemble.of_law(fit, n, members, np.random.default_rng(0))
        scores = field.score_on(x, 0.4)[:, :, 0]
        expected = fit.covariance_of(n, x, 0.4)[:, 0, :, 0]
        found = np.cov(scores.T)
        error = np.sqrt((np.outer(*[np.diag(expected)] * 2) + expected**2) / members)
        assert (np.abs(found - expected) < 4.5 * error).all()
        assert (error < 0.05 * np.diag(expected).max()).all()
        mean = (fit.score(x, 0.4) + fit.bias(x, 0.4) / n)[:, 0]
        assert (np.abs(scores.mean(axis=0) - mean) < 4.5 * np.sqrt(np.diag(expected) / members)).all()
        np.testing.assert_array_equal(field.score(np.tile(x, (members, 1, 1)), 0.4)[..., 0], scores)

    def test_the_draws_are_around_the_biased_optimum(self) -> None:
        """The same draws for ``n`` and ``4 n``: twice the second less the first is ``W* - bias / 2 n``."""
        fit, n, x = self.fit(AFFINE, MIXTURE), 40, np.array([[-1.0], [0.7]])
        few, many = (
            FieldEnsemble.of_law(fit, count, 3, np.random.default_rng(0)).score_on(x, 0.4)
            for count in (n, 4 * n)
        )
        bias = fit.bias(x, 0.4)
        np.testing.assert_allclose(2 * many - few, [fit.score(x, 0.4) - bias / (2 * n)] * 3, rtol=1e-9)
        assert (np.abs(bias) / (2 * n) > 1e-4).all()

    def test_the_draws_know_their_target(self) -> None:
        fit, n, count, x = self.fit(AFFINE, MIXTURE), 300, 20_000, np.array([[0.7]])
        naive, dsm = (fit.covariance_of(n, x, 0.4, target=target).item() for target in ("naive", "dsm"))
        weights = fit.draw_weights(n, count, np.random.default_rng(0), target="naive")
        found = FieldEnsemble(AFFINE, VP, weights).score_on(x, 0.4).var()
        error = np.sqrt(2 / count) * naive
        assert abs(found - naive) < 4.5 * error
        assert abs(dsm - naive) > 9 * error

    @pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
    def test_each_method_has_its_order(self, method, order: int) -> None:
        field = FieldEnsemble.of_law(self.fit(), 200, 3, np.random.default_rng(1))
        start = np.array([[1.0, 0.5], [-0.3, 0.2]])
        ends = [field.sample(start, np.linspace(0.3, 1.0, n + 1), method)[0] for n in (8, 16, 512)]
        slope = np.log2(np.abs(ends[0] - ends[2]).max() / np.abs(ends[1] - ends[2]).max())
        assert slope == pytest.approx(order, abs=0.35)

    def test_against_the_exponential_of_a_matrix(self) -> None:
        """A VE field ``-x A / sqrt(t)`` in one member: in ``sqrt(t)`` its flow is linear."""
        weights = np.array([[[0.2, -1.0, 0.3], [0.0, 0.1, -0.7]]])
        field = FieldEnsemble(AFFINE_2, BROWNIAN, weights)
        end = field.sample([[1.0, 2.0]], np.linspace(0.5, 1.0, 200) ** 2, "rk4")[0, 0, 0]
        matrix = np.zeros((3, 3))
        matrix[:2, :2], matrix[:2, 2] = -weights[0, :, 1:], -weights[0, :, 0]
        exact = expm(matrix * -0.5) @ [1.0, 2.0, 1.0]  # dx/du = -W phi, u = sqrt(t)
        np.testing.assert_allclose(end, exact[:2], rtol=1e-9)

    def test_the_path_runs_from_start_to_end(self) -> None:
        field = FieldEnsemble.of_law(self.fit(), 200, 3, np.random.default_rng(2))
        path = field.sample([[1.0, 0.5]], np.linspace(0.0, 1.0, 9))
        assert path.shape == (9, 3, 1, 2)
        np.testing.assert_array_equal(path[-1], np.tile([1.0, 0.5], (3, 1, 1)))
        per_member = field.sample(path[4], np.linspace(0.0, 0.5, 5))
        np.testing.assert_allclose(per_member[0], path[0], rtol=1e-12)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match=r"shape \(members, 2, 3\)"):
            FieldEnsemble(AFFINE_2, VP, np.zeros((2, 3)))
        field = FieldEnsemble(AFFINE_2, VP, np.zeros((4, 2, 3)))
        with pytest.raises(ValueError, match="not defined at time 0"):
            field.sample([[0.0, 0.0]], TIMES, "heun")
        with pytest.raises(ValueError, match="x_start must be"):
            field.sample(np.zeros((3, 1, 2)), TIMES)
        with pytest.raises(ValueError, match="2 features need more than 2 samples"):
            FieldEnsemble.of_law(self.fit(AFFINE, MIXTURE), 2, 3, np.random.default_rng(0))
        wild = FieldEnsemble(AFFINE, BROWNIAN, np.full((1, 1, 2), 1e300))
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError, match="take more steps or more training samples"):
                wild.sample([[1.0]], TIMES)


def test_bins_jump_but_can_be_sampled() -> None:
    binned = TimeBinned(StateFeatures(Bins([-0.5, 0.6])), MIXTURE, BROWNIAN, [0.0, 0.1, 0.2], 200)
    x = euler_ensemble(binned, np.linspace(-2, 2, 50)[:, None], np.random.default_rng(0))
    assert np.isfinite(x).all()
