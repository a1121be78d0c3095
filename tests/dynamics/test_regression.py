"""Denoising as linear regression: against the loss itself, the table of the five targets, and 50 digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import (
    TARGETS,
    DataModes,
    OneLayer,
    RegressionMoments,
    denoising_task,
    gradient_descent,
    regression_of_moments,
    regression_of_task,
    remaining_factors,
    ridge_problem,
    stability,
)

RNG = np.random.default_rng(11)
ROOT = RNG.standard_normal((3, 3))
SIGMA, MEAN = ROOT @ ROOT.T / 3, np.array([0.7, -1.2, 0.4])
MODES = DataModes.of(MEAN, SIGMA)
W, B = RNG.standard_normal((3, 3)), RNG.standard_normal(3)
TASKS = {
    "edm": denoising_task("edm", sigma=0.7),
    "x": denoising_task("x", alpha=0.8, sigma=0.6),
    "eps": denoising_task("eps", alpha=0.9, sigma=0.4),
    "v": denoising_task("v", alpha=0.6, sigma=0.8),
    "fm": denoising_task("fm", time=0.35),
}
every_target = pytest.mark.parametrize("target", TASKS)
# Twelve equally likely pairs of clean datum and noise with exactly these first and second moments.
POINTS = np.sqrt(6.0) * np.concatenate([np.eye(6), -np.eye(6)])
CLEAN = MEAN + POINTS[:, :3] @ np.linalg.cholesky(SIGMA).T
NOISE = POINTS[:, 3:]


def pair(target):
    """Input and target of the definition, written out by hand."""
    return {
        "edm": (CLEAN + 0.7 * NOISE, CLEAN),
        "x": (0.8 * CLEAN + 0.6 * NOISE, CLEAN),
        "eps": (0.9 * CLEAN + 0.4 * NOISE, NOISE),
        "v": (0.6 * CLEAN + 0.8 * NOISE, 0.6 * NOISE - 0.8 * CLEAN),
        "fm": (0.35 * CLEAN + 0.65 * NOISE, CLEAN - NOISE),
    }[target]


def loss_by_points(target, weight, bias):
    x, y = pair(target)
    return ((x @ weight.T + bias - y) ** 2).sum(axis=1).mean()


def test_every_target_is_tested():
    assert set(TASKS) == set(TARGETS)


@every_target
def test_loss_is_the_mean_square_of_the_definition(target):
    problem = regression_of_task(TASKS[target], MODES)
    assert problem.loss(W, B) == pytest.approx(loss_by_points(target, W, B), rel=1e-12)
    best = problem.optimum
    assert problem.minimum_loss == pytest.approx(loss_by_points(target, *best), rel=1e-12)
    assert problem.excess_loss(*best) == pytest.approx(0.0, abs=1e-28)


@every_target
def test_gradient_is_the_derivative_of_the_loss(target):
    problem, step = regression_of_task(TASKS[target], MODES), 1e-5
    by_weight, by_bias = problem.gradient(W, B)
    for i, j in np.ndindex(3, 3):
        move = np.zeros((3, 3))
        move[i, j] = step
        slope = (loss_by_points(target, W + move, B) - loss_by_points(target, W - move, B)) / (2 * step)
        assert by_weight[i, j] == pytest.approx(slope, rel=1e-7, abs=1e-8)
    for i in range(3):
        move = step * np.eye(3)[i]
        slope = (loss_by_points(target, W, B + move) - loss_by_points(target, W, B - move)) / (2 * step)
        assert by_bias[i] == pytest.approx(slope, rel=1e-7, abs=1e-8)


@every_target
def test_published_gradient_flow_counts_a_factor_twice(target):
    """(Wang & Pehlevan 2025, eq. 13) has -2 eta grad_b mu^T; the flow of the loss has -eta grad_b mu^T."""
    problem, step = regression_of_task(TASKS[target], MODES), 1e-6
    m = problem.moments
    moved = (problem.gradient_flow(W, B, step).weight - W) / step  # flow time is 2 eta tau
    by_bias = 2 * (W @ m.input_mean + B - m.target_mean)
    plain = -(W @ m.input_covariance - m.cross_covariance)
    correct, published = (plain - factor * np.outer(by_bias, m.input_mean) for factor in (0.5, 1.0))
    np.testing.assert_allclose(moved, correct, atol=1e-4)
    assert np.abs(moved - published).max() > 0.05


@every_target
def test_mode_columns_are_the_dense_regression(target):
    task, problem = TASKS[target], regression_of_moments(TASKS[target].moments(MEAN, SIGMA))
    modes = MODES.eigenvalues
    optimum = MODES.eigenvectors.T @ problem.optimum.weight @ MODES.eigenvectors
    np.testing.assert_allclose(optimum, np.diag(task.mode_optimum(modes)), atol=1e-12)
    bias = MODES.eigenvectors.T @ problem.optimum.bias
    np.testing.assert_allclose(bias, task.mode_bias(modes) * MODES.overlaps, atol=1e-12)
    np.testing.assert_allclose(np.sort(task.rate(modes)), problem.rates, rtol=1e-12)
    assert task.mode_minimum_loss(modes).sum() == pytest.approx(problem.minimum_loss, rel=1e-11)


def test_the_table_as_printed_in_the_theory():
    lam, a, s, t = 2.5, 0.6, 0.8, 0.35
    r, rt = a**2 * lam + s**2, t**2 * lam + (1 - t) ** 2
    columns = {
        "edm": (lam / (lam + s**2), lam + s**2, s**2 * lam / (lam + s**2), s**2 / (lam + s**2)),
        # The factor alpha is not legible in Table 2 of (Wang & Pehlevan 2025).
        "x": (a * lam / r, r, s**2 * lam / r, s**2 / r),
        "eps": (s / r, r, a**2 * lam / r, -a * s / r),
        "v": (a * s * (1 - lam) / r, r, (a**2 + s**2) ** 2 * lam / r, -s * (a**2 + s**2) / r),
        "fm": ((t * lam - (1 - t)) / rt, rt, lam / rt, (1 - t) / rt),
    }
    levels = {"edm": {"sigma": s}, "fm": {"time": t}}
    for target, expected in columns.items():
        task = denoising_task(target, **levels.get(target, {"alpha": a, "sigma": s}))
        found = task.mode_optimum(lam), task.rate(lam), task.mode_minimum_loss(lam), task.mode_bias(lam)
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@every_target
def test_flow_of_aligned_centred_data_relaxes_mode_by_mode(target):
    """The e-folding rate per flow time 2 eta tau is the rate itself: 2 eta times it per training time."""
    lam, start, time = np.array([2.0, 0.3, 0.0]), np.array([0.4, -0.1, 1.2]), 0.8
    task = TASKS[target]
    problem = regression_of_task(task, DataModes.of(None, np.diag(lam)))
    moved = problem.gradient_flow(np.diag(start), np.zeros(3), time)
    best = task.mode_optimum(lam)
    expected = best + (start - best) * np.exp(-task.rate(lam) * time)  # (2.2)
    np.testing.assert_allclose(moved.weight, np.diag(expected), atol=1e-13)
    np.testing.assert_allclose(moved.bias, 0.0, atol=1e-14)
    if target == "edm":
        gain = OneLayer(start).gain(lam, 0.49, time)
        np.testing.assert_allclose(np.diag(moved.weight), gain, rtol=1e-13)


@every_target
def test_excess_loss_after_training(target):
    problem = regression_of_task(TASKS[target], MODES)
    for time in (0.0, 0.3, 4.0):
        direct = problem.excess_loss(*problem.gradient_flow(W, B, time))
        assert problem.excess_loss_after(W, B, time) == pytest.approx(direct, rel=1e-9)
    late = problem.excess_loss_after(W, B, 200.0), problem.excess_loss_after(W, B, 201.0)
    assert late[1] / late[0] == pytest.approx(np.exp(-2 * problem.second_moment.values[0]), rel=1e-9)


@every_target
def test_ridge_problem_on_clean_data_is_the_loss(target):
    problem, ridge = regression_of_task(TASKS[target], MODES), ridge_problem(TASKS[target])
    assert ridge.loss(W, B, MEAN, SIGMA) == pytest.approx(problem.loss(W, B), rel=1e-12)
    assert ridge.strength > 0


def test_gradient_descent_is_the_sequence_of_its_steps():
    problem = regression_of_task(TASKS["fm"], MODES)
    bound = stability(problem, 0.1).largest_rate
    for rate in (0.02, 0.4 * bound, 0.9 * bound, 1.2 * bound):
        weight, bias = W, B
        for _ in range(7):
            by_weight, by_bias = problem.gradient(weight, bias)
            weight, bias = weight - rate * by_weight, bias - rate * by_bias
        found = gradient_descent(problem, W, B, rate, 7)
        np.testing.assert_allclose(found.point.weight, weight, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.point.bias, bias, rtol=1e-10, atol=1e-12)
        assert found.stability.is_stable == (rate < bound)
        assert found.stability.is_monotone == (rate <= 0.5 * bound)


def test_learning_rates_beyond_the_bound_diverge():
    """(Wang & Pehlevan 2025, App. D.1.1) calls discrete steps no significant change; at sigma 80 they are."""
    problem = regression_of_task(denoising_task("edm", sigma=80.0), DataModes.of(None, np.diag([1.0, 0.1])))
    bound = stability(problem, 0.1).largest_rate
    assert bound == pytest.approx(1 / 6401.0, rel=1e-14)
    start = np.zeros((2, 2)), np.zeros(2)
    losses = [
        problem.excess_loss(*gradient_descent(problem, *start, factor * bound, 20_000).point)
        for factor in (0.999, 1.001)
    ]
    assert losses[0] < 1e-12 < 1.0 < losses[1]
    with pytest.raises(ValueError, match="overflows after"):
        gradient_descent(problem, *start, 2 * bound, 20_000)


def test_remaining_factors_to_50_digits():
    for _ in range(300):
        curvature, rate = 10.0 ** RNG.uniform(-12, 6), 10.0 ** RNG.uniform(-8, 0)
        n_steps = int(RNG.integers(0, 60))
        kept, learned = remaining_factors(curvature, rate, n_steps)
        with mp.workdps(50):
            exact = (1 - 2 * mp.mpf(rate) * mp.mpf(curvature)) ** n_steps
            # The step itself is rounded once; a factor near 0 multiplies that.
            step = 2 * mp.mpf(rate) * mp.mpf(curvature)
            allowed = 1e-14 + 1e-15 * n_steps * abs(step / (1 - step))
            assert abs(kept - exact) <= allowed * abs(exact)
            assert abs(learned - (1 - exact)) <= 1e-13 * max(abs(1 - exact), abs(exact) * abs(step) * n_steps)


def test_any_moments_define_a_regression():
    x = RNG.standard_normal((40, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]]) + [1.0, -2.0]
    y = RNG.standard_normal((40, 3)) + x[:, :1]
    joint = np.cov(np.column_stack([x, y]).T, bias=True)
    moments = RegressionMoments(x.mean(0), y.mean(0), joint[:2, :2], joint[2:, :2], joint[2:, 2:])
    problem = regression_of_moments(moments)
    design = np.column_stack([x, np.ones(40)])
    expected = np.linalg.lstsq(design, y, rcond=None)[0].T
    np.testing.assert_allclose(np.column_stack(problem.optimum), expected, atol=1e-12)
    residual = ((design @ expected.T - y) ** 2).sum() / 40
    assert problem.minimum_loss == pytest.approx(residual, rel=1e-12)
    late = problem.gradient_flow(np.zeros((3, 2)), np.zeros(3), 1e4)
    np.testing.assert_allclose(np.column_stack(late), expected, atol=1e-12)


def test_directions_never_seen_keep_their_weight():
    """Flow matching at time 1 shows no noise: a direction without data variance is not learned."""
    problem = regression_of_task(denoising_task("fm", time=1.0), DataModes.of(None, np.diag([1.0, 0.0])))
    moved = problem.gradient_flow(np.full((2, 2), 0.3), np.zeros(2), 1e6)
    np.testing.assert_allclose(moved.weight, [[1.0, 0.3], [0.0, 0.3]], atol=1e-12)
    assert problem.optimum.weight[1, 1] == 0.0
    with pytest.raises(ValueError, match="time below 1"):
        ridge_problem(denoising_task("fm", time=1.0))


@pytest.mark.parametrize(
    ("target", "level", "message"),
    [
        ("edn", {"sigma": 1.0}, "did you mean 'edm'"),
        ("edm", {"sigma": 0.0}, "sigma must be"),
        ("edm", {"time": 0.5}, "takes sigma, got time"),
        ("v", {"sigma": 0.5}, "takes alpha, sigma"),
        ("x", {"alpha": -1.0, "sigma": 0.5}, "alpha must be"),
        ("fm", {"time": 1.5}, "time must lie between"),
        ("fm", {"time": np.nan}, "time must lie between"),
    ],
)
def test_bad_levels_are_refused(target, level, message):
    with pytest.raises(ValueError, match=message):
        denoising_task(target, **level)


def test_bad_points_and_moments_are_refused():
    problem = regression_of_task(TASKS["edm"], MODES)
    with pytest.raises(ValueError, match=r"weight must have shape \(3, 3\)"):
        problem.loss(np.eye(2), B)
    with pytest.raises(ValueError, match="bias must have shape"):
        problem.gradient(W, np.zeros(2))
    with pytest.raises(ValueError, match="flow_time"):
        problem.gradient_flow(W, B, -1.0)
    with pytest.raises(ValueError, match="learning_rate"):
        gradient_descent(problem, W, B, 0.0, 3)
    with pytest.raises(ValueError, match="n_steps"):
        remaining_factors(1.0, 0.1, -1)
    with pytest.raises(ValueError, match="mean must have shape"):
        DataModes.of(np.zeros(2), SIGMA)
    good = TASKS["edm"].moments(MEAN, SIGMA)
    with pytest.raises(ValueError, match="cross_covariance must have shape"):
        regression_of_moments(good._replace(cross_covariance=np.eye(2)))
    with pytest.raises(ValueError, match="positive semi-definite"):
        regression_of_moments(good._replace(input_covariance=-np.eye(3)))


def test_error_of_the_score_is_that_of_the_denoiser_over_sigma_to_the_fourth():
    # Printed in App. E.1 (252): the denoiser's error is called the loss of the score.
    covariance, sigma = np.diag([1.3, 0.4]), 0.6
    exact = regression_of_task(denoising_task("edm", sigma=sigma), DataModes.of(None, covariance))
    weight = np.array([[0.2, 0.1], [-0.3, 0.5]])
    inputs = np.random.default_rng(0).multivariate_normal(
        np.zeros(2), covariance + sigma**2 * np.eye(2), 200_000
    )
    off = inputs @ (weight - exact.optimum.weight).T / sigma**2
    squares = (off**2).sum(axis=1)
    error, deviation = squares.mean(), squares.std() / np.sqrt(len(squares))
    expected = exact.excess_loss(weight, np.zeros(2)) / sigma**4
    assert abs(error - expected) < 4.5 * deviation
    assert deviation < 0.05 * expected
