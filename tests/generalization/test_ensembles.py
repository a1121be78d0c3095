"""Ensembles of fitted scores: training sets, parallel fits, comparisons, and the published toy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scorelens.estimators.equations.time_separable import Intervals
from scorelens.estimators.features import Affine, Bins
from scorelens.generalization.ensembles import (
    BumpFeatures,
    Refit,
    ToyProtocol,
    ToyTheory,
    TrainingSet,
    averaged_law,
    compare_covariance,
    fresh_scores,
    in_parallel,
    model_variance,
    refit_ensemble,
    ridge_solution,
    sample_features,
    stepwise_refits,
    toy_study,
)
from scorelens.generalization.ensembles.toy import SCHEDULE
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.reverse import FieldEnsemble
from scorelens.generalization.schedules import BROWNIAN, PolynomialSchedule
from scorelens.generalization.statistics import (
    Level,
    MixtureFeatures,
    OneTime,
    SeparableFeatures,
    SharedWeights,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
)
from scorelens.generalization.vkernel import SharedKernel, TimeBinned

AFFINE = StateFeatures(Affine(1))
GAUSSIAN = DataLaw.gaussian([0.4], [[0.7]])
MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
VP = PolynomialSchedule([1.0], [2.0])
UNIFORM, VARIANCE = TimeFunction.constant(), TimeFunction.of_variance(BROWNIAN)
THEORY = SharedWeights(AFFINE, GAUSSIAN, BROWNIAN, TrainingTimes(VARIANCE, UNIFORM, 0.1, 1.0))
AT = np.array([[1.0], [-0.5]])


class TestTrainingSets:
    @pytest.mark.parametrize(
        ("density", "low", "mean"),
        [
            (UNIFORM, 0.2, 0.6),
            (VARIANCE, 0.0, 2 / 3),
            (TimeFunction.of_time(-1.0), 0.01, 0.99 / math.log(100)),
        ],
    )
    def test_times_follow_their_density(self, density: TimeFunction, low: float, mean: float) -> None:
        t = TrainingTimes(density, UNIFORM, low, 1.0).sample(200_000, np.random.default_rng(0))
        assert t.min() >= low
        assert t.max() <= 1
        assert abs(t.mean() - mean) < 4.5 * t.std() / math.sqrt(len(t))
        assert t.std() / math.sqrt(len(t)) < 0.01 * mean

    def test_bootstrap_repeats_whole_draws(self) -> None:
        rng = np.random.default_rng(0)
        made = TrainingSet.fresh(MIXTURE, THEORY.times, 50, rng)
        again = made.bootstrapped(rng)
        where = [np.flatnonzero(made.t == t)[0] for t in again.t]
        np.testing.assert_array_equal(again.x0, made.x0[where])
        np.testing.assert_array_equal(again.noise, made.noise[where])
        assert len(set(where)) < 50

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"must be \(n,\), \(n, d\), \(n, d\)"):
            TrainingSet(np.zeros(3), np.zeros((4, 1)), np.zeros((4, 1)))


class TestRefits:
    def test_the_fit_solves_its_normal_equations(self) -> None:
        weighted = SharedWeights(
            AFFINE, GAUSSIAN, VP, TrainingTimes(UNIFORM, TimeFunction.of_time(1.0), 0.1, 1.0)
        )
        refit = Refit(weighted, 40, ridge=0.3)
        data = TrainingSet.fresh(GAUSSIAN, weighted.times, 40, np.random.default_rng(0))
        left, right = 0.3 * np.eye(2), np.zeros(2)
        for t, x0, noise in zip(data.t, data.x0[:, 0], data.noise[:, 0], strict=True):
            alpha, std = math.exp(-t), math.sqrt(1 - math.exp(-2 * t))
            row = np.array([1.0, alpha * x0 + std * noise]) / std
            left, right = left + t * np.outer(row, row), right - t * row * noise / std
        np.testing.assert_allclose(refit.weights(data)[0], np.linalg.solve(left, right), rtol=1e-10)

    def test_many_samples_find_the_optimum(self) -> None:
        found = Refit(THEORY, 200_000)(np.random.default_rng(0))
        np.testing.assert_allclose(found, THEORY.optimum, atol=0.05)
        naive = Refit(THEORY, 2000, target="naive")(np.random.default_rng(0))
        np.testing.assert_allclose(naive, THEORY.optimum, atol=0.05)

    def test_features_of_samples(self) -> None:
        x, t = np.array([[0.1], [0.7], [-0.4]]), np.array([0.2, 0.6, 0.9])
        for features in (
            AFFINE,
            SeparableFeatures(AFFINE, Intervals((0.1, 0.5, 1.0))),
            MixtureFeatures(MIXTURE),
            BumpFeatures.on_grid(3, 4, 2.0),
        ):
            one_by_one = [
                features.value(p[None], Level(float(VP.alpha(u)), float(VP.std(u)), float(u)))
                for p, u in zip(x, t, strict=True)
            ]
            np.testing.assert_allclose(sample_features(features, VP, x, t), np.concatenate(one_by_one))

    def test_the_bootstrap_estimates_the_variance(self) -> None:
        rng = np.random.default_rng(3)
        data = TrainingSet.fresh(GAUSSIAN, THEORY.times, 3000, rng)
        field = refit_ensemble(Refit(THEORY, 3000, resampled=data), 400, seed=0)
        found = field.score_on(AT, 0.5)[:, 0, 0].var()
        assert found == pytest.approx(THEORY.covariance_of(3000, AT[:1], 0.5).item(), rel=0.25)
        with pytest.raises(ValueError, match="size of its training set, 3000"):
            Refit(THEORY, 100, resampled=data)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="2 features need more than 2 samples"):
            Refit(THEORY, 2)
        assert Refit(THEORY, 2, ridge=0.1)(np.random.default_rng(0)).shape == (1, 2)
        with pytest.raises(ValueError, match="determine 1 of 2 weights"):
            ridge_solution(np.ones((5, 2)), np.ones((5, 1)), 0.0)


class TestParallel:
    @pytest.mark.slow
    def test_workers_change_nothing(self) -> None:
        refit = Refit(THEORY, 50)
        alone, together = (in_parallel(refit, 6, seed=5, workers=workers) for workers in (1, 2))
        np.testing.assert_array_equal(alone, together)

    def test_members_have_their_own_seeds(self) -> None:
        found = in_parallel(lambda rng: rng.random(1), 50, seed=5)
        assert len(np.unique(found)) == 50
        np.testing.assert_array_equal(found[:3], in_parallel(lambda rng: rng.random(1), 3, seed=5))
        assert (found != in_parallel(lambda rng: rng.random(1), 50, seed=6)).all()

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="workers must be at least 1"):
            in_parallel(lambda rng: rng.random(1), 3, seed=0, workers=0)


class TestComparison:
    def test_a_right_and_a_wrong_prediction(self) -> None:
        true = np.array([[2.0, 0.5], [0.5, 1.0]])
        draws = np.random.default_rng(0).multivariate_normal([1.0, 2.0], true, 20_000)
        right, wrong = compare_covariance(draws, true), compare_covariance(draws, 1.1 * true)
        assert np.abs(right.z).max() < 4.5
        assert np.diag(wrong.z).max() < -4.5  # less was measured than predicted
        np.testing.assert_allclose(compare_covariance(draws[:40], true).measured, np.cov(draws[:40].T))
        assert right.power == pytest.approx(4.5 * math.sqrt(2 / 20_000), rel=0.05)
        with pytest.raises(ValueError, match="at least 30 draws"):
            compare_covariance(draws[:10], true)

    def test_the_averaged_law(self) -> None:
        """Members shift by ``N(0, 0.3)``, points are ``N(1, 2)`` at the same starts."""
        rng = np.random.default_rng(1)
        samples = 1 + rng.standard_normal((1, 3000, 1)) * math.sqrt(2)
        samples = samples + rng.standard_normal((4000, 1, 1)) * math.sqrt(0.3)
        found = averaged_law(samples)
        assert found.between.item() == pytest.approx(0.3, rel=0.1)
        assert found.covariance.item() == pytest.approx(2.3, rel=0.1)
        assert found.mean_stderr.item() == pytest.approx(math.sqrt(0.3 / 4000), rel=0.1)

    def test_two_members_by_hand(self) -> None:
        """Points at 0 and 2, and at 10 and 14, of two members: variances 2 and 8."""
        found = averaged_law(np.array([[0.0, 10.0], [2.0, 14.0]])[..., None])
        assert (found.mean.item(), found.between.item()) == (6.5, 5.0)
        assert found.covariance.item() == pytest.approx(np.var([0.0, 10.0, 2.0, 14.0]))
        assert found.mean_stderr.item() == pytest.approx(np.std([5.0, 8.0], ddof=1) / math.sqrt(2))
        squares = [6.5**2 + 3.5**2, 4.5**2 + 7.5**2]
        assert found.covariance_stderr.item() == pytest.approx(np.std(squares, ddof=1) / 2 / math.sqrt(2))
        several = np.random.default_rng(0).normal(size=(5, 1, 1))
        squares = (several - several.mean())[:, 0, 0] ** 2
        error = averaged_law(several).covariance_stderr.item()
        assert error == pytest.approx(squares.std(ddof=1) / math.sqrt(5))
        field = FieldEnsemble(AFFINE, BROWNIAN, np.array([[[0.0, -1.0]], [[0.0, -2.0]]]))
        assert model_variance(field, [[[3.0]]], [1.0]).item() == pytest.approx(4.5)

    def test_model_variance_along_a_path(self) -> None:
        field = FieldEnsemble.of_law(THEORY, 500, 4000, np.random.default_rng(0))
        path = field.sample(AT, np.linspace(0.2, 1.0, 5))[:, 0]
        found = model_variance(field, path, np.linspace(0.2, 1.0, 5))
        expected = [
            THEORY.local_covariance(x, t) / 500 for x, t in zip(path, np.linspace(0.2, 1, 5), strict=True)
        ]
        np.testing.assert_allclose(found, np.array(expected), rtol=0.1)
        with pytest.raises(ValueError, match=r"path \(K, p, d\) needs times"):
            model_variance(field, path, [0.1])


class TestStepwise:
    def test_empty_bins_are_drawn_again(self) -> None:
        """[G13] is given that a bin holds a sample."""
        fit = OneTime(StateFeatures(Bins([-1.0, 1.8])), GAUSSIAN, 1.0, 0.3)
        found = fresh_scores(fit, 5, np.full((2000, 1), 2.5), np.random.default_rng(0))
        assert np.isfinite(found).all()
        assert (found != 0).all()

    def test_a_bin_that_hardly_ever_holds_a_sample_is_refused(self) -> None:
        """Of probability 1e-9: without a bound the redraws would not end."""
        fit = OneTime(StateFeatures(Bins([6.5])), GAUSSIAN, 1.0, 0.3)
        refused = (
            r"7 of 7 training sets of 5 .* 2 weights .* level 0\.3: 1694 draws made, at most 1700 .*wider"
        )
        with pytest.raises(ValueError, match=refused):
            fresh_scores(fit, 5, np.zeros((7, 1)), np.random.default_rng(0))

    def test_against_one_fit_by_hand(self) -> None:
        fit = OneTime(AFFINE, GAUSSIAN, 0.9, 0.5)
        found = fresh_scores(fit, 20, np.array([[0.7]]), np.random.default_rng(4))
        rng = np.random.default_rng(4)
        noise = rng.standard_normal((20, 1))
        x = 0.9 * GAUSSIAN.sample(20, rng) + 0.5 * noise
        slope, offset = np.polyfit(x[:, 0], -noise[:, 0] / 0.5, 1)
        assert found.item() == pytest.approx(slope * 0.7 + offset, rel=1e-10)

    def test_each_step_has_its_own_number_of_samples(self) -> None:
        binned = TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.1, 0.2], np.array([20, 40]))
        found = stepwise_refits(binned, [[0.7]], np.random.default_rng(5))
        rng, x = np.random.default_rng(5), np.array([[0.7]])
        for step, n in ((2, 40), (1, 20)):
            x = x + 0.05 * fresh_scores(binned.fit(step), n, x, rng)  # g^2 / 2 dt, no drift
        np.testing.assert_allclose(found, x, rtol=1e-10)

    def test_refusals(self) -> None:
        binned = TimeBinned(AFFINE, GAUSSIAN, BROWNIAN, [0.0, 0.1], 2)
        with pytest.raises(ValueError, match="2 features need more than 2 samples"):
            stepwise_refits(binned, [[0.0]], np.random.default_rng(0))
        with pytest.raises(ValueError, match=r"shape \(p, 1\)"):
            stepwise_refits(binned, [0.0], np.random.default_rng(0))


class TestToy:
    def test_bumps_by_hand(self) -> None:
        """Steps of 2 in the state and 1 in time; the time runs fastest."""
        bumps = BumpFeatures.on_grid(3, 2, 2.0)
        found = bumps.at(np.array([1.0]), np.array([0.5]))[0]
        of_state, of_time = np.exp(-np.array([9, 1, 1]) / 8), np.exp(-np.array([0.25, 0.25]) / 2)
        np.testing.assert_allclose(found, np.outer(of_state, of_time).ravel())
        early = bumps.at(np.array([0.0]), np.array([0.0]))[0]
        np.testing.assert_allclose(early[[2, 3]], [1.0, math.exp(-0.5)])

    def test_the_score_is_that_of_the_denoiser(self) -> None:
        toy = ToyProtocol(n_samples=64, cutoff=1e-2, models=2)
        weights, x = toy.fit(0), np.array([-0.7, 0.1, 1.2])
        rows = toy.features.at(x, np.full(3, 0.2))
        alpha = math.exp(-(0.1 * 0.2 + 9.95 * 0.04))
        expected = (alpha * weights @ rows.T - x) / (1 - alpha**2)
        np.testing.assert_allclose(toy.score(weights, np.tile(x, (2, 1)), 0.2), expected, rtol=1e-9)
        variance = toy.score_variance(weights, x, 0.2)
        np.testing.assert_allclose(variance, expected.var(axis=0, ddof=1), rtol=1e-9)

    def test_steps_use_the_score_where_they_begin(self) -> None:
        """Two Euler steps of ``x' = beta (x + s)`` by hand, for a model and for the score of the points."""
        toy = ToyProtocol(n_samples=64, cutoff=0.2, models=2, steps=2)
        weights, x = toy.fit(0), np.array([0.3, -0.8])
        by_hand, exact = np.tile(x, (2, 1)), x
        for t in (1.0, 0.6):
            beta, level = 0.1 + 19.9 * t, (float(SCHEDULE.alpha(t)), float(SCHEDULE.std(t)))
            by_hand = by_hand + 0.4 * beta * (by_hand + toy.score(weights, by_hand, t))
            exact = exact + 0.4 * beta * (exact + toy.law.score(exact[:, None], *level)[:, 0])
        np.testing.assert_allclose(toy.sample(weights, x), by_hand, rtol=1e-10)
        np.testing.assert_allclose(toy.exact_sample(x), exact, rtol=1e-10)

    def test_the_exact_score_ends_at_the_points(self) -> None:
        ends = ToyProtocol(64, 1e-3, steps=3000).exact_sample(np.linspace(-2.0, 2.0, 9))
        assert np.abs(ends[:, None] - [-1, 0, 1]).min(axis=1).max() < 0.1

    def test_a_target_without_noise_is_the_mean_of_the_data(self) -> None:
        """The same draws and features, told ``E[x_0 | x]``: by the law's own score (Tweedie)."""
        toy = ToyProtocol(n_samples=300, cutoff=0.05, target="naive", ridge=1e-3)
        rng, t = np.random.default_rng(0), TrainingTimes(UNIFORM, UNIFORM, 0.05, 1.0)
        data = TrainingSet.fresh(toy.law, t, 300, rng)
        alpha, std = SCHEDULE.alpha(data.t), SCHEDULE.std(data.t)
        x = alpha * data.x0[:, 0] + std * data.noise[:, 0]
        score = [
            toy.law.score([[p]], float(a), float(s)).item() for p, a, s in zip(x, alpha, std, strict=True)
        ]
        mean = (x + std**2 * np.array(score)) / alpha
        root = (alpha / std)[:, None]
        rows = root * toy.features.at(x, data.t)
        left = rows.T @ rows + 1e-3 * np.eye(rows.shape[1])
        expected = np.linalg.solve(left, rows.T @ (root[:, 0] * mean))
        np.testing.assert_allclose(rows @ toy.weights(data), rows @ expected, rtol=1e-6, atol=1e-6)
        assert np.abs(mean - data.x0[:, 0]).max() > 0.5
        with pytest.raises(ValueError, match="unknown target"):
            ToyProtocol(64, 0.1, target="score")  # pyright: ignore[reportArgumentType]

    def test_prediction_where_a_sample_has_little_leverage(self) -> None:
        """The sandwich with ridge, 1024 samples; half the samples are excluded (power)."""
        toy = ToyProtocol(n_samples=1024, cutoff=1e-2, models=60, features=BumpFeatures.on_grid(8, 6, 2.5))
        x, t = np.linspace(-1.2, 1.2, 7), np.array([0.3, 0.5])
        found = ToyTheory(toy).boundary_picture(toy.fit(1), x, t)
        assert found.leverage.max() < 0.1
        ratio = (found.model_variance / found.predicted_variance).mean()
        error = math.sqrt(2 / 59) / 2  # at least four independent directions
        assert abs(ratio - 1) < 4.5 * error / 2
        assert abs(ratio - 2) > 4.5 * error

    @pytest.mark.slow
    def test_the_variance_lives_between_the_points(self) -> None:
        """At small times, with many samples; at large times nothing is left of the boundaries."""
        toy = ToyProtocol(n_samples=1024, cutoff=1e-3, models=20)
        picture = ToyTheory(toy).boundary_picture(toy.fit(0), np.linspace(-1.6, 1.6, 129), [0.01, 0.03, 0.5])
        target, models = picture.boundary_over_point
        assert (target[:2] > 1e6).all()
        assert (models[:2] > 30).all()
        assert 0.8 < models[2] < 1.25
        assert (picture.correlation[:2] > 0.85).all()
        assert (picture.leverage[0] > 0.5).any()  # and the leading order is off there

    def test_a_small_study(self) -> None:
        found = toy_study((64, 128), (1e-2,), models=3, particles=5)
        assert found.samples.shape == (2, 1, 3, 5)
        assert found.model_variance.shape == found.leverage.shape == (2, 1, 6, 161)
        assert np.isfinite(found.samples).all()
        assert found.naive.shape == found.samples.shape
        assert (found.of_mean.shape, found.exact.shape) == ((2, 1, 5), (1, 5))
        assert (found.effective_features[1] > found.effective_features[0]).all()
        again = toy_study((64, 128), (1e-2,), models=3, particles=5)
        np.testing.assert_array_equal(found.samples, again.samples)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match=r"cutoff must be finite and > 0.*diverges at time 0"):
            ToyProtocol(64, 0.0)
        with pytest.raises(ValueError, match="below the last time 1"):
            ToyProtocol(64, 1.5)
        with pytest.raises(ValueError, match="ridge must be finite and > 0"):
            ToyProtocol(64, 0.1, ridge=0.0)


def velocities(theory: SharedWeights, refit: Refit, members: int, t: np.ndarray) -> np.ndarray:
    field = FieldEnsemble(AFFINE, theory.schedule, in_parallel(refit, members, 1))
    return np.stack(
        [field.velocity(np.tile(x, (members, 1, 1)), u)[:, 0, 0] for x, u in zip(AT, t, strict=True)], 1
    )


@pytest.mark.parametrize(("target", "n", "members"), [("dsm", 200, 1000), ("naive", 100, 120)])
def test_refits_have_the_kernel_of_shared_weights(target, n: int, members: int) -> None:
    """[G19] by refits at two times; the kernel of the other objective is excluded."""
    t, schedule = np.array([0.5, 0.2]), PolynomialSchedule([0.0], [1.0, 1.0])
    times = TrainingTimes(TimeFunction.of_variance(schedule), UNIFORM, 0.1, 1.0)
    theory = SharedWeights(AFFINE, MIXTURE, schedule, times)
    draws = velocities(theory, Refit(theory, n, target=target), members, t)
    found = [
        compare_covariance(
            draws, SharedKernel(theory, n).velocity_covariance(AT, t, target=kind).covariance[:, 0, :, 0]
        )
        for kind in ("dsm", "naive")
    ]
    right, wrong = found if target == "dsm" else found[::-1]
    assert (np.abs(right.z) < 4.5).all()
    assert (np.abs(wrong.z) > 4.5).any()
