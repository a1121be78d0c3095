"""What diverges as training reaches smaller times: predictions against exact integrals."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.estimators.equations.time_separable import Intervals
from scorelens.estimators.features import Affine, Monomials
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import BROWNIAN, PolynomialSchedule
from scorelens.generalization.statistics import (
    Growth,
    MixtureFeatures,
    SeparableFeatures,
    SharedWeights,
    SmallTimePrediction,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
    feature_products,
    integral_growth,
    measured_growth,
    target_moment,
    target_products,
    with_cutoff,
)

UNIFORM, VARIANCE = TimeFunction.constant(), TimeFunction.of_variance(BROWNIAN)
GAUSSIAN = DataLaw.gaussian([0.4], [[0.7]])
POINTS = DataLaw.points([[-1.0], [0.0], [1.0]])
AFFINE = StateFeatures(Affine(1))
X, T = [[1.0]], 0.5


def fitted(law=GAUSSIAN, density=VARIANCE, weight=UNIFORM, t_min=0.1, features=AFFINE) -> SharedWeights:
    return SharedWeights(features, law, BROWNIAN, TrainingTimes(density, weight, t_min, 1.0))


def variances(fit: SharedWeights, cutoffs, target="dsm") -> np.ndarray:
    return np.array([with_cutoff(fit, t).covariance(X, T, target=target).item() for t in cutoffs])


def test_the_logarithm_of_shared_weights() -> None:
    """Finding 3: ``n Var`` grows by 1.38 per unit of ``log(1 / dt)`` between 0.01 and 0.001, towards 1.50 of
    [G15]; a constant ``1 / dt`` (001, Eqs. 47 and 49, Prop. 3) would grow tenfold per decade."""
    fit, cutoffs = fitted(), [0.1, 0.01, 0.003, 0.001, 1e-6, 1e-7]
    found = variances(fit, cutoffs)
    c = 20.0
    np.testing.assert_allclose(found[[0, 1]] * np.array([0.1, 0.01]) / c, [0.0118, 0.00245], rtol=5e-3)
    slopes = measured_growth(cutoffs, found).per_log
    assert (found[3] - found[1]) / np.log(10.0) == pytest.approx(1.38, abs=0.01)
    assert slopes[2] == pytest.approx(1.41, abs=0.01)
    predicted = SmallTimePrediction(fit).covariance(X, T)
    assert predicted.growth == Growth(logs=1.0)
    assert slopes[-1] == pytest.approx(predicted.coefficient.item(), rel=5e-3)
    # at n dt = c the covariance goes to zero: no V kernel of order one
    assert found[-1] * cutoffs[-1] < 1e-4 * found[0] * cutoffs[0]


@pytest.mark.parametrize(
    ("law", "target", "printed"),
    [
        (GAUSSIAN, "naive", [0.02, 0.27, 0.77]),
        (POINTS, "dsm", [2.7, 6.1, 11.1]),
        (POINTS, "naive", [0.6, 3.5, 7.7]),
    ],
    ids=["gaussian-naive", "points-dsm", "points-naive"],
)
def test_both_objectives_diverge_alike_at_points(law, target, printed) -> None:
    """Finding 4: the naive fit has a variance too, which grows (001, Cor. 1.1 says none); for point masses
    with the same coefficient as the proxy target ([G15])."""
    fit = fitted(law)
    found = variances(fit, [0.1, 0.01, 0.001], target)
    np.testing.assert_allclose(found, printed, rtol=0.2)  # the printed ones are Monte Carlo of few refits
    prediction = SmallTimePrediction(fit)
    coefficient = prediction.covariance(X, T, target=target).coefficient.item()
    last = (found[2] - found[1]) / np.log(10.0)
    assert 0.7 * coefficient < last < coefficient
    if law is POINTS:
        both = [prediction.covariance(X, T, target=kind).coefficient.item() for kind in ("dsm", "naive")]
        assert both[0] == pytest.approx(both[1], rel=1e-12)


def test_the_coefficient_of_the_naive_logarithm() -> None:
    fit, cutoffs = fitted(), [1e-5, 1e-6]
    slope = measured_growth(cutoffs, variances(fit, cutoffs, "naive")).per_log[0]
    predicted = SmallTimePrediction(fit).covariance(X, T, target="naive").coefficient.item()
    assert slope == pytest.approx(predicted, rel=0.02)


CASES = {
    "weight sigma^2": (UNIFORM, VARIANCE, Growth()),
    "log-uniform, weight sigma^4": (TimeFunction.of_time(-1.0), TimeFunction.of_time(2.0), Growth(logs=1.0)),
    "uniform": (UNIFORM, UNIFORM, Growth(power=1.0, logs=-2.0)),
    "steep": (TimeFunction.of_time(0.5), UNIFORM, Growth(power=0.5)),
    "undersampled": (TimeFunction.of_time(2.0), UNIFORM, Growth()),
}


@pytest.mark.parametrize(("density", "weight", "growth"), CASES.values(), ids=CASES)
def test_any_density_and_weight(density, weight, growth) -> None:
    """[G16], [G17]: the growth, and its coefficient from ratios at deep cut-offs."""
    fit, cutoffs = fitted(density=density, weight=weight), [1e-7, 1e-8]
    prediction = SmallTimePrediction(fit)
    predicted = prediction.covariance(X, T)
    assert predicted.growth == growth
    assert prediction.finite_variance == (growth.bounded or density.power == -1)
    found, coefficient = variances(fit, cutoffs), predicted.coefficient.item()
    if growth == Growth(logs=1.0):
        assert measured_growth(cutoffs, found).per_log[0] == pytest.approx(coefficient, rel=1e-3)
    elif growth.logs:
        # K / log and the optimum reach their limits like 1 / log: the ratio comes closer only slowly
        ratios = found / (coefficient * growth.at(cutoffs))
        np.testing.assert_allclose(ratios, 1.0, atol=0.1)
    else:
        assert found[1] == pytest.approx(coefficient * growth.at(cutoffs[1]), rel=2e-3)
    if growth.bounded:
        limit = with_cutoff(fit, 0.0).covariance(X, T).item()
        assert limit == pytest.approx(coefficient, rel=1e-6)


def test_an_undersampling_that_is_not_enough() -> None:
    """[G17]: ``lambda ~ t / log(1/t)`` meets 001, Eq. 17 (``lambda / dt -> 0``) and still diverges."""
    growth, _ = integral_growth(-1.0, -1.0)
    density = TimeFunction.of_time(1.0, -1.0)
    assert (
        SmallTimePrediction(fitted(density=density)).covariance(X, T).growth == growth == Growth(loglogs=1.0)
    )
    assert density(np.array([1e-12]))[0] / 1e-12 < 0.05
    cutoffs = np.array([1e-3, 1e-6, 1e-12])
    found = variances(fitted(density=density), cutoffs)
    steps = np.diff(found) / np.diff(np.log(1 + np.log(1 / cutoffs)))
    assert steps[1] == pytest.approx(steps[0], rel=0.1)
    with pytest.raises(ValueError, match="diverges like log"):
        fitted(density=density, t_min=0.0).covariance(X, T)


def test_products_of_the_target_diverge_along_the_diagonal_only() -> None:
    """[G14]: ``log(1/dt) K(0) / (Z g^2)`` times ``delta_jl``; at finite cut-off the rest is not zero."""
    law = DataLaw.gaussian([0.3, -0.2], [[0.5, 0.2], [0.2, 0.8]])
    features = StateFeatures(Monomials([[1, 0], [1, 1]]), intercept=True)
    fit = fitted(law, features=features)
    prediction = SmallTimePrediction(fit)
    same, other = prediction.target_products(0, 0), prediction.target_products(0, 1)
    assert same.growth == Growth(logs=1.0)
    assert (other.coefficient == 0).all()
    cutoffs = [1e-5, 1e-6]
    for expected, j, k in ((same, 0, 0), (other, 0, 1)):
        values = [target_products(with_cutoff(fit, t), j, k) for t in cutoffs]
        slope = (values[1] - values[0]) / np.log(10.0)
        np.testing.assert_allclose(slope, expected.coefficient, rtol=1e-3, atol=1e-3)
    # Stein's identity with the two derivatives: E over time of d_0 d_1 (phi_i phi_k), here of x^2 y
    crossed = target_products(fit, 0, 1)
    slope = 2 * 0.3  # d/dx d/dy of x (x y) is 2 x, whose mean is that of the data
    assert crossed[1, 2] == pytest.approx(slope * 0.9 / ((1 - 0.1**2) / 2), rel=1e-9)


def test_the_second_moment_of_features_diverges_too() -> None:
    """[G14]: ``Cov(K, K)`` is not finite (001, Eq. 46 says it is)."""
    fit = fitted()
    cutoffs = [1e-4, 1e-5, 1e-6]
    found = [feature_products(with_cutoff(fit, t))[0, 0, 0, 0] for t in cutoffs]
    np.testing.assert_allclose(measured_growth(cutoffs, found).per_log, 2.0, rtol=1e-3)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_higher_moments(order: int) -> None:
    """[G18]: ``dt^-(2n-2)`` and ``dt^-(2n-3/2)``, one power of ``1/dt`` below 001, Eq. 50."""
    features = StateFeatures(Monomials([[1]]), intercept=True)
    fit = fitted(features=features)
    n, odd = divmod(order, 2)
    predicted = SmallTimePrediction(fit).moment(order)
    expected = {1: Growth(), 2: Growth(logs=1.0)}.get(order, Growth(power=2 * n - (1.5 if odd else 2)))
    assert predicted == expected
    found = [abs(target_moment(with_cutoff(fit, t), order, feature=1)) for t in (1e-7, 1e-8)]
    measured = measured_growth([1e-7, 1e-8], found)
    if order == 2:
        coefficient = SmallTimePrediction(fit).target_products(0, 0).coefficient[1, 1]
        assert measured.per_log[0] == pytest.approx(coefficient, rel=1e-5)
    else:
        assert measured.power[0] == pytest.approx(predicted.power, abs=2e-3)


def test_moments_of_the_target_are_those_of_draws() -> None:
    """The sign and the mean of ``J = -w a phi s~``, by drawing (time, data, noise)."""
    fit, n = fitted(), 400_000
    rng = np.random.default_rng(0)
    t = np.sqrt(0.1**2 + rng.random(n) * (1 - 0.1**2))
    noise = rng.standard_normal(n)
    x = GAUSSIAN.sample(n, rng)[:, 0] + np.sqrt(t) * noise
    drawn = (x / np.sqrt(t)) * noise / np.sqrt(t)
    for order in (1, 2, 3):
        powers, exact = drawn**order, target_moment(fit, order, feature=1)
        error = powers.std() / np.sqrt(n)
        assert abs(powers.mean() - exact) < 4.5 * error
        assert error < 0.05 * abs(exact)


def test_another_schedule_moves_the_powers() -> None:
    """``sigma^2 ~ t^2``: uniform times and weight ``sigma`` diverge, with weight ``t^(7/4)`` they do not."""
    schedule = PolynomialSchedule([0.0], [0.0, 2.0])

    def of(weight: TimeFunction) -> SharedWeights:
        return SharedWeights(AFFINE, GAUSSIAN, schedule, TrainingTimes(UNIFORM, weight, 0.1, 1.0))

    diverging = SmallTimePrediction(of(TimeFunction.of_variance(schedule, 0.5))).covariance(X, T)
    assert diverging.growth == Growth(power=1.0, logs=-2.0)
    fit = of(TimeFunction.of_time(1.75))
    limit = SmallTimePrediction(fit).covariance(X, T)
    assert limit.growth == Growth()
    assert limit.coefficient.item() == pytest.approx(with_cutoff(fit, 0.0).covariance(X, T).item(), rel=1e-3)


def test_no_cutoff_where_the_average_diverges() -> None:
    with pytest.raises(ValueError, match=r"covariance of the score diverges like log.*t_min > 0"):
        fitted(t_min=0.0).covariance(X, T)
    assert np.isfinite(fitted(t_min=0.0).optimum).all()
    with pytest.raises(ValueError, match=r"second moment K .* diverges like log"):
        fitted(density=UNIFORM, t_min=0.0).score(X, T)
    with pytest.raises(ValueError, match=r"second moment K .* diverges like t_min\^-1"):
        fitted(density=TimeFunction.of_time(-1.0), weight=UNIFORM, t_min=0.0).score(X, T)
    with pytest.raises(ValueError, match="density of training times diverges like log"):
        fitted(density=TimeFunction.of_time(-1.0), weight=TimeFunction.of_time(3.0), t_min=0.0).score(X, T)
    with pytest.raises(ValueError, match="cutoffs must fall"):
        measured_growth([0.1, 0.2], [1.0, 2.0])
    with pytest.raises(ValueError, match="converges for these times"):
        SmallTimePrediction(fitted(density=UNIFORM, weight=VARIANCE)).target_products(0, 0)


def test_features_that_begin_later_need_no_cutoff() -> None:
    """Intervals from 0.1 on: what diverges at ``t = 0`` is not asked for; the density counts it."""
    late = SeparableFeatures(AFFINE, Intervals((0.1, 0.4, 1.0)))
    whole, cut = (fitted(t_min=t_min, features=late) for t_min in (0.0, 0.1))
    drawn = (1 - 0.1**2) / 1.0  # share of the times that lie above 0.1, of density 2 t
    ratio = whole.covariance(X, T) * drawn / cut.covariance(X, T)
    assert ratio.item() == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(whole.bias(X, T) * drawn, cut.bias(X, T), rtol=1e-8)
    np.testing.assert_allclose(whole.optimum, cut.optimum, rtol=1e-9)
    assert whole.misfit > cut.misfit  # the score before 0.1 is missed too
    with pytest.raises(ValueError, match=r"covariance of the score diverges like log"):
        fitted(t_min=0.0, features=SeparableFeatures(AFFINE, Intervals((0.0, 0.4, 1.0)))).covariance(X, T)


def test_scores_of_points_are_features_that_diverge() -> None:
    """``K ~ sigma^-4``: two more powers than features that stay finite have."""
    law = DataLaw.points([[0.3]])
    for density, weight in ((VARIANCE, UNIFORM), (UNIFORM, VARIANCE)):
        fit = fitted(law, density, weight, t_min=0.0, features=MixtureFeatures(law))
        with pytest.raises(ValueError, match=r"second moment K .* diverges like log.*coefficient is zero"):
            fit.score(X, T)
    cutoffs = [1e-5, 1e-6]
    found = [fitted(law, t_min=t, features=MixtureFeatures(law)).second_moment.item() for t in cutoffs]
    assert measured_growth(cutoffs, found).per_log[0] == pytest.approx(2.0, rel=1e-4)
    smooth = MixtureFeatures(GAUSSIAN)
    assert np.isfinite(fitted(GAUSSIAN, t_min=0.0, features=smooth).optimum).all()
