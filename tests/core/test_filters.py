"""Each filter against what defines it."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import eval_jacobi

from scorelens.core.filters import GradientFlow, Landweber, MinimumNorm, NuMethod, Ridge, SpectralCutoff


def test_minimum_norm_of_a_singular_matrix_is_its_pseudo_inverse() -> None:
    random = np.random.default_rng(0)
    factor = random.standard_normal((6, 4))
    matrix = factor @ factor.T
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, 0)
    inverse = (vectors * MinimumNorm.at_precision_of(values)(values)) @ vectors.T
    np.testing.assert_allclose(inverse, np.linalg.pinv(matrix, hermitian=True), atol=1e-10)


def test_minimum_norm_inverts_all_that_can_be_inverted() -> None:
    np.testing.assert_allclose(MinimumNorm()([0.0, 1e-300, 2.0]), [0.0, 1e300, 0.5], rtol=1e-15)


def test_minimum_norm_of_the_zero_matrix_is_zero() -> None:
    np.testing.assert_array_equal(MinimumNorm.at_precision_of([0.0, 0.0])([0.0, 0.0]), 0)


def test_cutoff_keeps_the_cutoff_itself() -> None:
    np.testing.assert_array_equal(SpectralCutoff(0.5)([0.49, 0.5, 2.0]), [0, 2, 0.5])


def test_ridge_solves_the_penalised_problem() -> None:
    random = np.random.default_rng(1)
    a, b = random.standard_normal((9, 5)), random.standard_normal(9)
    values, vectors = np.linalg.eigh(a.T @ a)
    solution = vectors @ (Ridge(0.3)(values) * (vectors.T @ (a.T @ b)))
    stacked = np.linalg.lstsq(np.vstack([a, np.sqrt(0.3) * np.eye(5)]), np.r_[b, np.zeros(5)], rcond=None)[0]
    np.testing.assert_allclose(solution, stacked, rtol=1e-12)


def test_gradient_flow_is_the_integrated_ode() -> None:
    # dw/dt = 1 - eigenvalue w from 0
    values = np.array([0.0, 0.1, 1.0, 4.0])
    flow = solve_ivp(
        lambda _, w: 1 - values * w, (0, 3.0), np.zeros(4), rtol=1e-11, atol=1e-13, method="DOP853"
    )
    np.testing.assert_allclose(GradientFlow(3.0)(values), flow.y[:, -1], rtol=1e-9)


@pytest.mark.parametrize("exponent", [1e-300, 1e-12, 1e-5, 0.999, 1.0, 30.0, 1e5, 1e308])
@pytest.mark.parametrize("flow_time", [1e-3, 1.0, 1e6])
def test_gradient_flow_keeps_its_digits(exponent: float, flow_time: float) -> None:
    value = exponent / flow_time if exponent < 1e308 else 1e308
    exact = -mpmath.expm1(-mpmath.mpf(value) * flow_time) / mpmath.mpf(value)
    assert float(GradientFlow(flow_time)(value)) == pytest.approx(float(exact), rel=1e-14)


def test_landweber_is_gradient_descent() -> None:
    values = np.array([0.0, 1e-8, 0.3, 1.0, 1.7, 1.9999])
    for n_steps in (1, 2, 7, 50):
        w = np.zeros(6)
        for _ in range(n_steps):
            w = w + (1 - values * w)
        np.testing.assert_allclose(Landweber(1.0, n_steps)(values), w, rtol=1e-11)
        np.testing.assert_allclose(
            Landweber(1.0, n_steps).residual(values), (1 - values) ** n_steps, atol=1e-13
        )


def test_landweber_residual_keeps_its_digits_at_tiny_eigenvalues() -> None:
    with mpmath.workdps(50):
        exact = mpmath.power(1 - mpmath.mpf(1e-13), 10**13)
    assert float(Landweber(1.0, 10**13).residual(1e-13)) == pytest.approx(float(exact), rel=1e-12)


def test_landweber_with_a_safe_step_never_overshoots() -> None:
    values = np.linspace(0, 1, 200)
    for n_steps in (1, 3, 10):
        assert (values * Landweber(1.0, n_steps)(values) <= 1).all()


def test_small_steps_of_landweber_approach_gradient_flow() -> None:
    values = np.linspace(0, 2, 50)
    np.testing.assert_allclose(Landweber(1e-6, 3_000_000)(values), GradientFlow(3.0)(values), rtol=1e-5)


@pytest.mark.parametrize("nu", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("n_steps", [1, 2, 5, 40])
def test_nu_method_residual_is_the_jacobi_polynomial(nu: float, n_steps: int) -> None:
    values = np.linspace(0, 1, 101)
    a, b = 2 * nu - 0.5, -0.5
    exact = eval_jacobi(n_steps, a, b, 1 - 2 * values) / eval_jacobi(n_steps, a, b, 1.0)
    method = NuMethod(0.25, n_steps, nu)
    np.testing.assert_allclose(method.residual(4 * values), exact, atol=1e-12)
    np.testing.assert_allclose(
        method(4 * values)[1:], (1 - exact[1:]) / (4 * values[1:]), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("nu", [0.5, 2.5])
def test_nu_is_the_qualification(nu: float) -> None:
    fine = np.concatenate([np.geomspace(1e-9, 1, 20_000), np.linspace(0.99, 1, 500)])
    worst = [(fine ** (nu + 1) * np.abs(NuMethod(1.0, n, nu).residual(fine))).max() for n in (32, 256)]
    assert np.log(worst[0] / worst[1]) / np.log(8**2) == pytest.approx(nu, abs=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MinimumNorm(0.0), "rank_tolerance must be finite and > 0"),
        (lambda: SpectralCutoff(0.0), "use MinimumNorm"),
        (lambda: Ridge(-1.0), "ridge must be finite and > 0, got -1"),
        (lambda: GradientFlow(0.0), "flow_time must be finite and > 0"),
        (lambda: Landweber(1.0, 0), "n_steps must be at least 1"),
        (lambda: NuMethod(1.0, 3, 0.0), "nu must be finite and > 0"),
        (
            lambda: Landweber(1.0, 3)([0.5, 2.0]),
            "step \\* eigenvalue must be < 2, got 2; gradient descent diverges",
        ),
        (lambda: NuMethod(1.0, 3)([1.1]), "step \\* eigenvalue must be <= 1, got 1.1"),
        (lambda: MinimumNorm.at_precision_of([]), "at least 1"),
    ],
)
def test_bad_parameters_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
