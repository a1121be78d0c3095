"""Existence, rank and every way to solve the normal equations of score matching."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core import filters
from scorelens.core.filters import GradientFlow, Landweber, MinimumNorm, NuMethod, Ridge, SpectralCutoff
from scorelens.estimators.equations import normal_equations
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import (
    solve_exactly,
    solve_filtered,
    solve_least_squares,
    solve_penalized,
)
from scorelens.estimators.features import Affine, Bins, Fourier, Hermite, Monomials


def _draw(*shape):
    return np.random.default_rng(5).normal(size=shape)


POINTS = _draw(3, 2)
QUINTIC = Monomials.of_degree(2, 5)


def _over_parameterised():
    return NormalEquations.implicit(QUINTIC, POINTS)


def _under_parameterised():
    return NormalEquations.implicit(Monomials.of_degree(2, 2), _draw(40, 2))


@pytest.mark.parametrize(("degree", "m", "rank"), [(1, 2, 2), (2, 5, 5), (3, 9, 6), (4, 14, 6), (5, 20, 6)])
def test_rank_and_existence_of_the_implicit_system(degree, m, rank):
    """[S7], [S8]; errata 000-1 (no solution for m > N d) and 000-3 (U_r has r columns)."""
    equations = NormalEquations.implicit(Monomials.of_degree(2, degree), POINTS)
    found, least = equations.existence, solve_filtered(equations)
    assert (found.n_features, found.rank) == (m, rank) == (m, min(m, 6))
    assert equations.eigen.range.shape == (m, rank)
    assert found.bounded == found.unique == (m <= 6)
    if m <= 6:
        assert least.bounded
        assert least.residual < 1e-12
    else:
        assert least.residual > 1
        assert least.residual == pytest.approx(found.residual, rel=1e-10)


def test_an_inconsistent_objective_falls_without_end():
    equations = _over_parameterised()
    kernel = equations.eigen.kernel
    way = -kernel @ (kernel.T @ equations.vector)
    at = [equations.objective(scale * way) for scale in (1.0, 10.0, 1e4)]
    assert at == pytest.approx([-scale * equations.existence.residual**2 for scale in (1.0, 10.0, 1e4)])
    with pytest.raises(ValueError, match=r"rank 6 of 20 features, and inconsistent: .* no minimum"):
        solve_exactly(equations)


def test_one_point_drives_the_variance_to_zero():
    assert not NormalEquations.implicit(Monomials([[1], [2]]), [[0.3]]).existence.bounded
    two = NormalEquations.implicit(Monomials([[1], [2]]), [[-1.0], [3.0]])
    assert two.existence.unique
    assert solve_exactly(two).theta == pytest.approx([0.25, -0.125])  # N(1, 4)


@pytest.mark.parametrize("m_index", [[[0], [1], [2]], [[0], [1]]])
def test_a_constant_feature_makes_the_energy_model_singular_but_not_unbounded(m_index):
    """Section 2.1: a zero row; consistent, not unique, and exact solving says so."""
    equations = NormalEquations.denoising(Monomials(m_index), [[0.4], [-1.0]], 0.9, 0.5)
    assert equations.existence.bounded
    assert not equations.existence.unique
    with pytest.raises(ValueError, match=r"not unique; features \[0\] are not seen"):
        solve_exactly(equations)
    assert solve_filtered(equations).theta[0] == 0
    assert solve_filtered(equations).residual < 1e-12


def test_noise_makes_the_solution_unique_for_any_number_of_features():
    """[S17] with N = 2 and m = 20 > N d = 4; the noise-free system of the same samples has no solution."""
    equations = NormalEquations.denoising(QUINTIC, POINTS[:2], 1.0, 0.4)
    assert equations.existence.unique
    assert np.linalg.eigvalsh(equations.matrix).min() > 0
    found = solve_exactly(equations)
    assert found.residual < 1e-9 * np.abs(found.theta).max()
    assert not NormalEquations.implicit(QUINTIC, POINTS[:2]).existence.bounded


def test_the_rank_is_decided_on_the_gradients():
    """Section 8: a singular value of 1e-10 counts; of the squared matrix it would be rounding."""
    x = np.array([[0.0], [1e-10]])
    equations = NormalEquations.implicit(Monomials([[1], [2]]), x)
    assert equations.existence.rank == 2
    assert NormalEquations(equations.matrix, equations.vector).existence.rank == 1


def test_the_root_reproduces_the_matrix_from_many_blocks(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 2))
    features = Monomials.of_degree(2, 3)
    whole = NormalEquations.implicit(features, x)
    monkeypatch.setattr(normal_equations, "_BLOCK", 100)
    blocks = NormalEquations.implicit(features, x)
    assert blocks.root.shape == (9, 9)
    assert blocks.matrix == pytest.approx(features.gradient_gram(x), rel=1e-12, abs=1e-12)
    assert blocks.matrix == pytest.approx(whole.matrix, rel=1e-12, abs=1e-12)
    assert blocks.vector == pytest.approx(features.mean_laplacian(x), rel=1e-12, abs=1e-12)


def test_minimum_norm_has_a_minus_sign_and_no_shorter_rival():
    """[S9]; erratum 000-2: the truncated solution carries a minus sign."""
    equations = _over_parameterised()
    theta = solve_filtered(equations).theta
    pinv = np.linalg.pinv(equations.matrix, rcond=1e-12)
    assert theta == pytest.approx(-pinv @ equations.vector, rel=1e-6)
    projector = equations.eigen.range @ equations.eigen.range.T
    assert projector @ theta == pytest.approx(theta, abs=1e-12)
    consistent = _under_parameterised()
    assert solve_filtered(consistent).theta == pytest.approx(solve_exactly(consistent).theta, rel=1e-9)


def test_ridge_diverges_in_an_inconsistent_system():
    """[S10]: theta = -P b / tau - A^+ b + O(tau), so |theta| tau -> |P b|."""
    equations = _over_parameterised()
    outside = equations.eigen.kernel @ (equations.eigen.kernel.T @ equations.vector)
    least, errors = solve_filtered(equations).theta, []
    for tau in (1e-3, 1e-4):
        theta = solve_filtered(equations, Ridge(tau)).theta
        errors.append(np.abs(theta + outside / tau - least).max())
        assert np.linalg.norm(theta) * tau == pytest.approx(np.linalg.norm(outside), rel=tau)
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.05)


def test_a_ridge_with_a_penalty_is_the_penalised_solution():
    equations, weight = _over_parameterised(), np.linspace(0.5, 4.0, 20)
    expected = -np.linalg.solve(equations.matrix + 0.3 * np.diag(weight), equations.vector)
    assert solve_filtered(equations, Ridge(0.3), weight).theta == pytest.approx(expected, rel=1e-9)
    assert solve_penalized(equations, 0.3, weight).theta == pytest.approx(expected, rel=1e-9)


def test_a_penalty_may_leave_features_free_where_the_samples_see_them():
    equations = _under_parameterised()
    weight = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    expected = -np.linalg.solve(equations.matrix + 0.7 * np.diag(weight), equations.vector)
    assert solve_penalized(equations, 0.7, weight).theta == pytest.approx(expected, rel=1e-10)
    singular = NormalEquations([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0])
    with pytest.raises(ValueError, match="penalty leaves free 2 features"):
        solve_penalized(singular, 1.0, [0.0, 0.0])


def test_the_penalised_least_squares_solution_minimises_the_penalty():
    """[S11]: the gradient of the penalty vanishes along the kernel, and the constraint holds."""
    equations, weight = _over_parameterised(), np.linspace(0.5, 4.0, 20)
    pull = np.cos(np.arange(20.0))
    theta = solve_least_squares(equations, weight, pull).theta
    eigen = equations.eigen
    assert eigen.range.T @ (equations.matrix @ theta + equations.vector) == pytest.approx(0, abs=1e-9)
    assert eigen.kernel.T @ (weight * theta - pull) == pytest.approx(0, abs=1e-10)
    plain = solve_least_squares(equations, np.ones(20))
    assert plain.theta == pytest.approx(solve_filtered(equations).theta, abs=1e-12)
    assert plain.residual > 1  # erratum 000-1: the unprojected constraint of hole 10 cannot be met
    with pytest.raises(ValueError, match="penalty is singular on the 14 directions"):
        solve_least_squares(equations, np.zeros(20))


def test_minimum_norm_in_a_penalty_is_the_penalised_least_squares_solution():
    consistent = NormalEquations.of_fields(_draw(4, 9, 1), np.zeros((4, 9)))
    inside = NormalEquations(consistent.matrix, consistent.matrix @ np.arange(9.0), consistent.root)
    weight = np.linspace(0.5, 2.0, 9)
    assert inside.existence.bounded
    a, b = solve_filtered(inside, None, weight), solve_least_squares(inside, weight)
    assert a.theta == pytest.approx(b.theta, abs=1e-10)
    assert a.residual < 1e-10


def test_gradient_flow_is_the_flow_of_the_objective():
    equations, time = _under_parameterised(), 0.7
    theta, step = np.zeros(5), 1e-4
    for _ in range(7000):
        middle = theta - step / 2 * (equations.matrix @ theta + equations.vector)
        theta = theta - step * (equations.matrix @ middle + equations.vector)
    assert solve_filtered(equations, GradientFlow(time)).theta == pytest.approx(theta, rel=1e-6)


def test_landweber_is_gradient_descent():
    equations = _over_parameterised()
    step = 1 / np.linalg.norm(equations.matrix, 2)
    theta = np.zeros(20)
    for _ in range(50):
        theta = theta - step * (equations.matrix @ theta + equations.vector)
    assert solve_filtered(equations, Landweber(step, 50)).theta == pytest.approx(theta, rel=1e-10)


def test_every_filter_of_the_family_solves():
    equations = _under_parameterised()
    step = 0.9 / np.linalg.norm(equations.matrix, 2)
    least = np.linalg.eigvalsh(equations.matrix).min()
    at = {
        MinimumNorm: MinimumNorm(),
        SpectralCutoff: SpectralCutoff(least / 2),
        Ridge: Ridge(1e-12),
        GradientFlow: GradientFlow(60 / least),
        Landweber: Landweber(step, int(60 / (step * least))),
        NuMethod: NuMethod(step, int(400 / (step * least)), 1.0),
    }
    assert set(at) == set(filters.ALL)
    exact = solve_exactly(equations).theta
    for member in at.values():
        assert solve_filtered(equations, member).theta == pytest.approx(exact, rel=1e-4, abs=1e-6), (
            member.name
        )
    cut = solve_filtered(equations, SpectralCutoff(2 * least)).theta
    assert np.abs(cut - exact).max() > 1e-3


def test_sliced_matching_with_a_full_set_of_projections_is_implicit_matching():
    """Section 5: projections sqrt(d) e_l have Sigma_v = I, and averaging over all of them leaves no noise."""
    features, x = Monomials.of_degree(2, 3), _draw(7, 2)
    all_axes = np.broadcast_to(np.sqrt(2) * np.eye(2), (7, 2, 2))
    sliced, implicit = NormalEquations.sliced(features, x, all_axes), NormalEquations.implicit(features, x)
    assert sliced.matrix == pytest.approx(implicit.matrix, abs=1e-12)
    assert sliced.vector == pytest.approx(implicit.vector, abs=1e-12)
    one = NormalEquations.sliced(QUINTIC, x[:3], _draw(3, 1, 2))
    assert one.existence.rank == 3  # [L8]: N min(M, d)
    assert not one.existence.bounded


def test_vector_fields_that_are_gradients_give_the_energy_system():
    features, x = Hermite.of_degree(2, 3), _draw(9, 2)
    fields = NormalEquations.of_fields(features.jacobian(x), features.laplacian(x))
    energy = NormalEquations.implicit(features, x)
    assert fields.matrix == pytest.approx(energy.matrix, abs=1e-12)
    assert fields.vector == pytest.approx(energy.vector, abs=1e-12)


def test_weights_of_an_affine_score_are_those_of_the_noised_gaussian():
    """[S6]: W* = -B^T K^-1 with phi = (1, x) is the score of a Gaussian of the samples' moments."""
    x0, alpha, std = _draw(30, 2) @ [[1.0, 0.4], [0.0, 0.5]] + 1.0, 0.8, 0.6
    w = solve_exactly(NormalEquations.denoising_weights(Affine(2), x0, alpha, std)).theta.T
    covariance = alpha**2 * np.cov(x0.T, bias=True) + std**2 * np.eye(2)
    assert w[:, 1:] == pytest.approx(-np.linalg.inv(covariance), rel=1e-10)
    assert w[:, 0] == pytest.approx(np.linalg.solve(covariance, alpha * x0.mean(axis=0)), rel=1e-10)


def test_the_rank_of_weights_counts_samples_and_not_their_coordinates():
    """[S7]; erratum 000-9: the ratio is m / N for W phi, and m / (N d) for an energy."""
    assert NormalEquations.implicit_weights(QUINTIC, POINTS).existence.rank == 3
    assert NormalEquations.implicit(QUINTIC, POINTS).existence.rank == 6


def test_a_bin_without_samples_is_named():
    bins = Bins([-1.0, 0.0, 1.0])
    far = NormalEquations.denoising_weights(bins, [[-0.5], [0.4], [-0.2]], 1.0, 1e-3)
    with pytest.raises(ValueError, match=r"rank 2 of 4 .* features \[0, 3\] are not seen"):
        solve_exactly(far)
    noisy = solve_exactly(NormalEquations.denoising_weights(bins, [[-0.5], [0.4]], 1.0, 0.7))
    assert noisy.rank == 4


def test_bins_make_no_log_density():
    bins = Bins([0.0])
    for assemble in (
        lambda: NormalEquations.implicit(bins, [[1.0]]),
        lambda: NormalEquations.sliced(bins, [[1.0]], [[[1.0]]]),
        lambda: NormalEquations.denoising(bins, [[1.0]], 1.0, 0.5),
    ):
        with pytest.raises(TypeError, match=r"bins features offer no gradients.* use denoising_weights"):
            assemble()


def test_bins_and_a_constant_are_exactly_singular():
    x, bins = _draw(30, 1), Bins([-0.5, 0.5])
    fields = np.concatenate([np.ones((30, 1)), bins.value(x)], axis=1)[..., None]
    equations = NormalEquations.of_fields(fields, np.zeros((30, 4)))
    assert equations.existence.rank == 3
    with pytest.raises(ValueError, match="rank 3 of 4 features, so the solution is not unique"):
        solve_exactly(equations)


def test_clamping_keeps_only_the_free_rows():
    """[S25]; erratum 000-7: the rows of the fixed block are no equations of the constrained problem."""
    root = _draw(6, 4)
    equations = NormalEquations(root.T @ root, _draw(4), root)
    free, where = equations.clamped([2, 0], [0.5, -1.0])
    assert where.tolist() == [1, 3]
    theta = np.zeros(4)
    theta[[2, 0]], theta[where] = [0.5, -1.0], solve_exactly(free).theta
    gradient = equations.matrix @ theta + equations.vector
    assert gradient[where] == pytest.approx(0, abs=1e-12)
    assert np.abs(gradient[[0, 2]]).min() > 0.01
    assert free.root.shape == (6, 2)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: NormalEquations(np.eye(2), [1.0]), "matrix must be"),
        (lambda: NormalEquations([[np.nan]], [1.0]), "matrix holds 1 non-finite"),
        (lambda: NormalEquations(np.eye(2), [1.0, 1.0]).clamped([2], [0.0]), "distinct numbers from 0 to 1"),
        (lambda: NormalEquations(np.eye(2), [1.0, 1.0]).clamped([0, 1], [0.0, 0.0]), "every coefficient"),
        (lambda: NormalEquations(np.eye(2), [1.0, 1.0]).clamped([0], [0.0, 1.0]), "one entry per index"),
        (lambda: NormalEquations.denoising(Hermite([[1]]), [[0.0]], 1.0, 0.0), "std must be"),
        (lambda: NormalEquations.sliced(Hermite([[1]]), [[0.0]], [[1.0]]), "projections must have shape"),
        (lambda: NormalEquations.of_fields(np.ones((2, 3)), np.ones((2, 3))), "fields must be"),
        (lambda: solve_filtered(_under_parameterised(), Ridge(1.0), [1.0]), "5 entries"),
        (lambda: solve_filtered(_under_parameterised(), Ridge(1.0), np.zeros(5)), "solve_penalized"),
        (lambda: solve_penalized(_under_parameterised(), 0.0, np.ones(5)), "strength must be"),
        (lambda: solve_least_squares(_under_parameterised(), np.ones(5), [1.0]), "linear must have"),
        (lambda: NormalEquations.implicit(Fourier.random(1, 20000, 1.0, 0), [[0.0]]), "would take 11.9 GiB"),
    ],
)
def test_bad_equations_are_refused(run, message):
    with pytest.raises(ValueError, match=message):
        run()
