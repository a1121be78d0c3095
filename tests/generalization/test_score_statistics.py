"""Statistics of fitted scores: identities, limits and refusals. Refits by Monte Carlo are in tests/truth."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from scorelens.core.processes import VariancePreserving
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly
from scorelens.estimators.equations.time_separable import Intervals
from scorelens.estimators.features import Affine, Bins, Fourier, Hermite, Monomials
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.quadrature import Trapezoid
from scorelens.generalization.schedules import BROWNIAN, ProcessSchedule
from scorelens.generalization.statistics import (
    Level,
    MixtureFeatures,
    OneTime,
    SeparableFeatures,
    SharedWeights,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
    affine_leverage,
    bin_leverage,
    bin_score,
    center_information,
    linear_score_covariance,
    mean_inverse_count,
    orthogonal_leverage,
)
from scorelens.generalization.vkernel import OutsideLeadingOrder

UNIFORM, VARIANCE = TimeFunction.constant(), TimeFunction.of_variance(BROWNIAN)
GAUSSIAN = DataLaw.gaussian([0.4], [[0.7]])
MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
POINTS = DataLaw.points([[-1.0], [0.1], [1.2]])
PLANE = DataLaw.mixture(
    [0.4, 0.6], [[0.5, 0.2], [-0.6, 0.7]], [[[1.2, 0.4], [0.4, 1.7]], [[0.5, 0.1], [0.1, 0.3]]]
)
FEATURES = {
    "affine": StateFeatures(Affine(1)),
    "cubic": StateFeatures(Hermite([[1], [2], [3]]), intercept=True),
    "waves": StateFeatures(Fourier([[1.0], [2.0]]), intercept=True),
    "bins": StateFeatures(Bins([-0.5, 0.6])),
}
LAWS = {"gaussian": GAUSSIAN, "mixture": MIXTURE, "points": POINTS}
every_pair = pytest.mark.parametrize(
    ("features", "law"),
    [(f, law) for f in FEATURES.values() for law in LAWS.values()],
    ids=[f"{f}-{law}" for f in FEATURES for law in LAWS],
)
X = np.array([[-0.9], [0.3], [1.4]])


def shared(features, law, t_min=0.05, density=VARIANCE, weight=UNIFORM) -> SharedWeights:
    return SharedWeights(features, law, BROWNIAN, TrainingTimes(density, weight, t_min, 1.0))


@every_pair
def test_the_optimum_is_the_projection_of_the_score(features, law: DataLaw) -> None:
    fit, level = OneTime(features, law, 0.9, 0.4), Level(0.9, 0.4)
    inner = 0.0
    for part in law.component_nodes(0.9, 0.4, Trapezoid(2e-3)):
        misfit = law.score(part.x, 0.9, 0.4) - fit.score(part.x)
        inner = inner + (part.weight * misfit.T) @ features.value(part.x, level)
    np.testing.assert_allclose(inner, 0.0, atol=3e-3 if features.breaks(Level(0.9, 0.4)) else 1e-10)


@pytest.mark.parametrize("name", ["affine", "waves", "bins"])
def test_at_points_the_optimum_solves_the_normal_equations(name: str) -> None:
    features = StateFeatures(FEATURES[name].map)
    solved = solve_exactly(NormalEquations.denoising_weights(features.map, POINTS.means, 0.9, 0.4)).theta.T
    np.testing.assert_allclose(OneTime(features, POINTS, 0.9, 0.4).optimum, solved, rtol=1e-9, atol=1e-10)


def test_bins_shared_over_times_against_a_second_integral() -> None:
    """``K`` and the optimum of [G8], with bin masses and edge densities by their closed forms."""
    fit, edges = shared(FEATURES["bins"], GAUSSIAN), [-np.inf, -0.5, 0.6, np.inf]
    for b in range(3):

        def mass(t: float, b: int = b) -> float:
            low, high = ((edges[i] - 0.4) / np.sqrt(0.7 + t) for i in (b, b + 1))
            return ndtr(high) - ndtr(low)

        def slope(t: float, b: int = b) -> float:
            low, high = ((edges[i] - 0.4) / np.sqrt(0.7 + t) for i in (b, b + 1))
            return (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi * (0.7 + t) / t)

        k, _ = quad(mass, 0.05, 1.0, epsabs=0.0, epsrel=1e-12)
        j, _ = quad(slope, 0.05, 1.0, epsabs=1e-15, epsrel=1e-12)
        assert fit.optimum[0, b] == pytest.approx(-j / k, rel=1e-9)


@every_pair
def test_the_leverage_averages_to_the_number_of_features(features, law: DataLaw) -> None:
    fit = OneTime(features, law, 0.9, 0.4)
    parts = law.component_nodes(0.9, 0.4, Trapezoid(2e-3))
    mean = sum(part.weight @ fit.leverage(part.x) for part in parts)
    assert mean == pytest.approx(features.n_features, rel=3e-3 if features.breaks(Level(0.9, 0.4)) else 1e-10)


def test_leverage_of_orthogonal_features() -> None:
    """[G24]: Hermite polynomials are uncorrelated under the standard normal law."""
    features = Hermite([[1], [2], [3]])
    fit = OneTime(StateFeatures(features, intercept=True), DataLaw.gaussian([0.0], [[1.0]]), 0.6, 0.8)
    expected = orthogonal_leverage(features.value(X), [0.0, 0.0, 0.0], [1.0, 2.0, 6.0])
    np.testing.assert_allclose(fit.leverage(X), expected, rtol=1e-12)


def test_leverage_of_bins() -> None:
    """[G25]: ``1/p_b``, the same with a constant in place of one bin; ``(1 - p_b)/p_b`` is one less."""
    edges = (np.array([-0.5, 0.6]) - 0.36) / np.sqrt(0.81 * 0.7 + 0.16)
    probability = np.diff(np.r_[0.0, ndtr(edges), 1.0])
    expected = bin_leverage(probability)
    for features in (FEATURES["bins"], *(StateFeatures(Bins([-0.5, 0.6]), True, (b,)) for b in range(3))):
        found = OneTime(features, GAUSSIAN, 0.9, 0.4).leverage(X)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(expected - 1, (1 - probability) / probability)


def test_leverage_of_affine_features() -> None:
    """[G26], at any data of the same two moments."""
    x = np.array([[0.3, -1.0], [2.0, 0.5]])
    noised = PLANE.noised(0.9, 0.4)
    expected = affine_leverage(x, noised.mean, noised.covariance)
    for features in (StateFeatures(Affine(2)), StateFeatures(Monomials([[0, 1], [1, 0]]), intercept=True)):
        np.testing.assert_allclose(OneTime(features, PLANE, 0.9, 0.4).leverage(x), expected, rtol=1e-12)
    np.testing.assert_allclose(
        affine_leverage(noised.mean[None], noised.mean, noised.covariance), 1.0, rtol=1e-14
    )


def test_mixture_features_hold_the_score_and_the_fisher_information() -> None:
    """[G29]: well specified, without bias; naive fits have no variance ([G31])."""
    features = MixtureFeatures(PLANE)
    fit = OneTime(features, PLANE, 0.9, 0.4)
    np.testing.assert_allclose(fit.optimum, np.tile(np.eye(2), 2), atol=1e-9)
    x = np.array([[0.3, -1.0], [2.0, 0.5]])
    np.testing.assert_allclose(fit.score(x), PLANE.score(x, 0.9, 0.4), rtol=1e-9)
    assert fit.misfit < 1e-18
    assert np.abs(fit.bias(x)).max() < 1e-8
    assert np.abs(fit.covariance(x, target="naive")).max() < 1e-16
    np.testing.assert_allclose(fit.second_moment, center_information(PLANE, 0.9, 0.4), rtol=1e-10)
    # minus the mean curvature of log p along the first centre, by differences
    step, total = 1e-3, 0.0
    for part in PLANE.component_nodes(0.9, 0.4, Trapezoid(0.2)):
        shifted = []
        for sign in (-1, 0, 1):
            means = PLANE.means.copy()
            means[0, 0] += sign * step / 0.9
            moved = DataLaw.mixture(PLANE.weights, means, PLANE.covariances)
            shifted.append(moved.log_density(part.x, 0.9, 0.4))
        total -= part.weight @ (shifted[0] - 2 * shifted[1] + shifted[2]) / step**2
    assert fit.second_moment[0, 0] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(("std", "least", "most"), [(0.4, 0.02, 2.0), (0.1, 1e-5, 1e-3), (0.07, 1e-12, 2e-6)])
def test_features_that_represent_points_have_hardly_any_variance(std, least, most) -> None:
    """[G30]: what is left, relative to ``L / std^2``, is the mass between the points: no smear at them."""
    law = DataLaw.points([[-1.0], [0.0], [1.0]])
    fit = OneTime(MixtureFeatures(law), law, 1.0, std)
    ratio = np.einsum("pipi->p", fit.covariance(law.means + 0.05)) * std**2 / fit.leverage(law.means + 0.05)
    assert (least < ratio).all()
    assert (ratio < most).all()


def test_the_exact_affine_covariance_tends_to_the_sandwich() -> None:
    """[G12] against [G9] for many samples, and above it by about ``F / n`` for few."""
    law, n = DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]]), 10**7
    x, other = np.array([[0.3, 0.2], [1.5, -1.0]]), np.array([[-1.0, 0.5]])
    fit = OneTime(StateFeatures(Affine(2)), law, 0.8, 0.4)
    exact = linear_score_covariance(law, 0.8, 0.4, n, x, other)
    np.testing.assert_allclose(n * exact, fit.covariance(x, other_x=other), rtol=1e-5)
    few = np.einsum("pipi->p", linear_score_covariance(law, 0.8, 0.4, 30, x) * 30)
    leading = np.einsum("pipi->p", fit.covariance(x))
    assert (few > 1.05 * leading).all()
    assert (few < 1.4 * leading).all()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_exact_bin_variance_tends_to_the_sandwich(law: DataLaw) -> None:
    """[G13] against [G9] for many samples."""
    fit, n = OneTime(FEATURES["bins"], law, 0.9, 0.3), 10**6
    exact = bin_score(law, [-0.5, 0.6], 0.9, 0.3, n)
    np.testing.assert_allclose(n * exact.variance, np.einsum("pipi->p", fit.covariance(X)), rtol=1e-4)
    np.testing.assert_allclose(exact.mean, fit.optimum[0], rtol=1e-9)
    np.testing.assert_allclose(fit.covariance(X[:1], other_x=X[1:]), 0.0, atol=1e-12)
    np.testing.assert_allclose(exact.leading * n * 0.3**2, fit.leverage(X), rtol=1e-9)


def test_mean_inverse_of_a_binomial_count() -> None:
    exact = sum(p / k for k, p in ((1, 3 * 0.2 * 0.64), (2, 3 * 0.04 * 0.8), (3, 0.008))) / (1 - 0.512)
    assert mean_inverse_count(3, 0.2) == pytest.approx(exact, rel=1e-14)
    assert mean_inverse_count(50, 1e-12) == pytest.approx(1.0, rel=1e-9)
    assert mean_inverse_count(7, 1.0) == pytest.approx(1 / 7, rel=1e-12)


@pytest.mark.parametrize("target", ["dsm", "naive"])
def test_the_covariance_is_one_matrix_of_all_points(target) -> None:
    fit = shared(FEATURES["cubic"], MIXTURE)
    t = np.array([0.1, 0.5, 0.9])
    whole = fit.covariance(X, t, target=target)
    part = fit.covariance(X[:1], 0.1, X[1:], t[1:], target=target)
    np.testing.assert_allclose(whole[:1, :, 1:], part, rtol=1e-12)
    matrix = whole.reshape(3, 3)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0
    np.testing.assert_allclose(fit.covariance_of(500, X, t, target=target), whole / 500)


def test_the_two_targets_differ_by_the_noise_of_regression() -> None:
    """[G9]: ``M`` of the proxy target exceeds that of the true score by ``E[C phi phi^T]``."""
    fit = OneTime(FEATURES["cubic"], MIXTURE, 0.9, 0.4)
    noise = 0.0
    for part in MIXTURE.component_nodes(0.9, 0.4, Trapezoid(0.05)):
        phi = fit.features.value(part.x, Level(0.9, 0.4))
        spread = MIXTURE.target_covariance(part.x, 0.9, 0.4)[:, 0, 0]
        noise = noise + (part.weight * spread * phi.T) @ phi
    bread = np.linalg.solve(fit.second_moment, fit.features.value(X, Level(0.9, 0.4)).T)
    found = fit.covariance(X)[:, 0, :, 0] - fit.covariance(X, target="naive")[:, 0, :, 0]
    np.testing.assert_allclose(found, bread.T @ noise @ bread, rtol=1e-8)


def test_the_bias_is_the_term_of_second_order() -> None:
    """[G10] at one time, written out with dense quadrature."""
    fit, level = OneTime(FEATURES["affine"], MIXTURE, 1.0, 0.5), Level(1.0, 0.5)
    total = 0.0
    for part in MIXTURE.component_nodes(1.0, 0.5, Trapezoid(0.05)):
        phi = fit.features.value(part.x, level)
        misfit = (MIXTURE.score(part.x, 1.0, 0.5) - fit.score(part.x))[:, 0]
        total = total - (part.weight * misfit * fit.leverage(part.x)) @ phi
    expected = fit.features.value(X, level) @ np.linalg.solve(fit.second_moment, total)
    np.testing.assert_allclose(fit.bias(X)[:, 0], expected, rtol=1e-9)
    assert np.abs(expected).min() > 0.01
    well = OneTime(FEATURES["affine"], GAUSSIAN, 1.0, 0.5)
    assert np.abs(well.bias(X)).max() < 1e-12


def test_narrow_intervals_of_time_are_independent_fits_at_one_time() -> None:
    """Reading B of section 5: indicators of time intervals split the fit ([G19], [G20])."""
    width, at = 1e-4, 0.5
    edges = np.array([0.5 - width, 0.5 + width, 0.7])
    times = TrainingTimes(UNIFORM, UNIFORM, edges[0], edges[-1])
    features = SeparableFeatures(FEATURES["affine"], Intervals(tuple(edges)))
    fit = SharedWeights(features, MIXTURE, BROWNIAN, times)
    alone = OneTime(FEATURES["affine"], MIXTURE, 1.0, np.sqrt(at))
    share = 2 * width / (edges[-1] - edges[0])
    np.testing.assert_allclose(fit.score(X, at), alone.score(X), rtol=1e-6)
    np.testing.assert_allclose(fit.covariance(X, at) * share, alone.covariance(X), rtol=1e-6)
    np.testing.assert_allclose(fit.bias(X, at) * share, alone.bias(X), rtol=1e-5)
    np.testing.assert_allclose(fit.covariance(X, at, X, 0.6), 0.0, atol=1e-10)


def test_only_the_product_of_density_and_weight_decides_the_optimum() -> None:
    """[G6]; the variance depends on both."""
    one, other = (
        shared(FEATURES["affine"], GAUSSIAN),
        shared(FEATURES["affine"], GAUSSIAN, 0.05, UNIFORM, VARIANCE),
    )
    np.testing.assert_allclose(one.optimum, other.optimum, rtol=1e-9)
    ratio = one.covariance(X, 0.5) / other.covariance(X, 0.5)
    assert np.abs(ratio - 1).min() > 0.1


def test_the_closed_form_of_the_shared_optimum() -> None:
    """[G8] for ``lambda_*``: ``-(1 / sigma) J^T Sigma^-1 (phi - mu)``; 001, Eq. 45 lacks ``1 / sigma``."""
    fit = shared(FEATURES["affine"], GAUSSIAN)
    t, w = np.polynomial.legendre.leggauss(60)
    t, w = 0.525 + 0.475 * t, w / 2
    variance, slope = w @ (0.7 + t), w @ np.sqrt(t)  # alpha = 1: the mean stays at 0.4
    expected = slope / variance * (0.4 - X) / np.sqrt(0.3)
    np.testing.assert_allclose(fit.score(X, 0.3), expected, rtol=1e-10)
    assert np.abs(fit.score(X, 0.3) / (expected * np.sqrt(0.3)) - 1).min() > 0.5


def test_any_process_is_a_schedule() -> None:
    schedule = ProcessSchedule(VariancePreserving())
    times = TrainingTimes(UNIFORM, TimeFunction.of_variance(schedule), 1e-3, 1.0)
    fit = SharedWeights(FEATURES["cubic"], MIXTURE, schedule, times)
    assert fit.score(X, 0.3).shape == (3, 1)
    assert fit.condition_number > 1


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_a_constant_centres_the_other_features(shift: float) -> None:
    """No digits are lost to a mean far from zero, because the basis is orthonormal (section 11)."""
    law = DataLaw.mixture(MIXTURE.weights, MIXTURE.means + shift, MIXTURE.covariances)
    fit = OneTime(FEATURES["affine"], law, 1.0, 0.4)
    near = OneTime(FEATURES["affine"], MIXTURE, 1.0, 0.4)
    np.testing.assert_allclose(fit.leverage(X + shift), near.leverage(X), rtol=1e-7)
    np.testing.assert_allclose(fit.covariance(X + shift), near.covariance(X), rtol=1e-6)


class TestRefusals:
    def test_bins_and_a_constant(self) -> None:
        fit = OneTime(StateFeatures(Bins([-0.5, 0.6]), intercept=True), GAUSSIAN, 1.0, 0.4)
        with pytest.raises(
            ValueError, match=r"4 features is singular, of rank 3 .*leave the constant or one bin"
        ):
            fit.covariance(X)
        assert fit.condition_number > 1e14

    def test_more_features_than_points_without_noise(self) -> None:
        fit = OneTime(FEATURES["cubic"], POINTS, 1.0, 0.0)
        with pytest.raises(ValueError, match="singular, of rank 3"):
            fit.leverage(X)

    def test_an_empty_bin(self) -> None:
        fit = OneTime(StateFeatures(Bins([-0.5, 5.0])), POINTS, 1.0, 0.1)
        with pytest.raises(ValueError, match="bins without data"):
            fit.covariance(X)
        with pytest.raises(ValueError, match="bin 2 holds nothing"):
            bin_score(POINTS, [-0.5, 5.0], 1.0, 0.1, 20)

    def test_more_features_than_samples(self) -> None:
        fit = OneTime(FEATURES["cubic"], GAUSSIAN, 1.0, 0.4)
        with pytest.raises(ValueError, match="4 features need more than 4 samples, got 4"):
            fit.covariance_of(4, X)
        with pytest.raises(ValueError, match="n_samples must be at least 5"):
            linear_score_covariance(DataLaw.gaussian([0.0, 0.0], np.eye(2)), 1.0, 0.4, 4, [[0.0, 0.0]])

    @pytest.mark.parametrize(
        "made", [lambda f: OneTime(f, GAUSSIAN, 1.0, 0.4), lambda f: shared(f, GAUSSIAN)]
    )
    def test_few_samples_are_warned_of(self, made) -> None:
        """[G12]: 3 samples give two affine features no variance at all, 12 give 22 % more than leading."""
        fit = made(FEATURES["affine"])
        at = (X,) if isinstance(fit, OneTime) else (X, 0.5)
        with pytest.warns(OutsideLeadingOrder, match="3 samples for 2 features: .* without bound") as told:
            fit.covariance_of(3, *at)
        assert told[0].filename == __file__
        with pytest.warns(OutsideLeadingOrder, match="by 22 %"):
            fit.covariance_of(12, *at)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit.covariance_of(24, *at)  # 9.5 %

    def test_other_laws_than_the_exact_ones(self) -> None:
        with pytest.raises(ValueError, match="one Gaussian, got 2"):
            linear_score_covariance(MIXTURE, 1.0, 0.4, 40, X)
        with pytest.raises(ValueError, match="do not fit data of 2"):
            OneTime(FEATURES["affine"], PLANE, 1.0, 0.4)

    def test_times(self) -> None:
        with pytest.raises(ValueError, match="t_min must be below t_max"):
            TrainingTimes(UNIFORM, UNIFORM, 1.0, 1.0)
        with pytest.raises(ValueError, match="knows no other"):
            OneTime(FEATURES["affine"], GAUSSIAN, 1.0, 0.4).score(X, 0.3)
        with pytest.raises(ValueError, match="need the time"):
            shared(FEATURES["affine"], GAUSSIAN).score(X)
        with pytest.raises(ValueError, match="need a time"):
            OneTime(SeparableFeatures(FEATURES["affine"], Intervals((0.1, 1.0))), GAUSSIAN, 1.0, 0.4).optimum  # noqa: B018
        with pytest.raises(ValueError, match="got 0: without noise there is no target"):
            OneTime(FEATURES["affine"], GAUSSIAN, 1.0, 0.0).optimum  # noqa: B018
        with pytest.raises(ValueError, match="unknown target 'true'"):
            shared(FEATURES["affine"], GAUSSIAN).covariance(X, 0.3, target="true")  # pyright: ignore
        with pytest.raises(ValueError, match=r"shape \(p, 1\)"):
            shared(FEATURES["affine"], GAUSSIAN).score([0.3], 0.3)
