"""Stochastic traces against exact ones: no bias, and errors that are what they say."""

from __future__ import annotations

import re

import pytest
import torch
from scipy import stats

from scorelens.core.trace import METHODS, hutchinson, trace

D = 120
DECAYING = torch.arange(1.0, D + 1).double() ** -2
SPECTRA = {
    "decaying": DECAYING,
    "flat, indefinite": torch.linspace(-0.3, 1, D).double(),
    "low rank": torch.cat([torch.ones(5), torch.zeros(D - 5)]).double(),
}


def operators(eigenvalues: torch.Tensor) -> torch.Tensor:
    """Three matrices that are not symmetric, ``(3, d, d)``."""
    draws = torch.Generator().manual_seed(0)
    frame = torch.linalg.qr(torch.randn(3, D, D, generator=draws, dtype=torch.float64))[0]
    noise = torch.randn(3, D, D, generator=draws, dtype=torch.float64)
    return frame @ torch.diag(eigenvalues) @ frame.mT + 1e-3 * (noise - noise.mT)


@pytest.mark.parametrize("method", ["hutchinson", "hutch++", "xtrace"])
@pytest.mark.parametrize("name", SPECTRA)
def test_unbiased_with_the_error_that_is_said(name, method):
    matrices = operators(SPECTRA[name])
    exact = matrices.diagonal(dim1=1, dim2=2).sum(1)
    n_seeds = 60
    found = [trace(lambda v: matrices @ v, 3, D, 30, method=method, seed=s) for s in range(n_seeds)]
    errors = torch.stack([one.value for one in found]) - exact
    said = torch.stack([one.standard_error for one in found])
    n = errors.numel()
    assert errors.mean().abs() < 4.5 * errors.std() / n**0.5 + 1e-12
    assert all(one.n_applied <= 30 for one in found)
    # The median, because few probes give a t distribution; 0.674 is that of a normal deviate.
    ratio = (errors / said).abs().median() / 0.674
    assert (0.3 if method == "xtrace" else 0.75) < ratio < 1.25  # XTrace is cautious


JUST_ABOVE = {
    "rank as the basis": torch.cat([torch.ones(8), torch.zeros(D - 8)]).double(),
    "rank just above the basis": torch.cat([torch.ones(10), torch.zeros(D - 10)]).double(),
    "its tail decays": torch.cat([1 / torch.arange(1.0, 11), torch.zeros(D - 10)]).double(),
    "geometric": 0.7 ** torch.arange(float(D)).double(),
    **SPECTRA,
}


@pytest.mark.parametrize("name", JUST_ABOVE)
def test_the_error_of_xtrace_is_never_too_small(name):
    """400 draws on a basis of 8, against the t distribution of 7 degrees of freedom."""
    matrix = torch.diag(JUST_ABOVE[name])
    if name == "low rank":
        matrix[0, 50] = 0.1  # within the basis: exact, and said to be
    found = trace(lambda v: matrix @ v, 400, D, 16, method="xtrace", seed=2)
    error = (found.value - matrix.trace()).abs()
    if name == "low rank":
        assert max(error.max(), found.standard_error.max()) < 1e-12
        return
    # Efron & Stein: the mean square of what is said is at least the variance; 3 standard errors of 400 draws
    squares = error.square()
    slack = 3 * squares.std() / 400**0.5
    assert found.standard_error.square().mean() > squares.mean() - slack
    ratio = error / found.standard_error
    assert 0.2 < ratio.median() < stats.t(7).ppf(0.75)
    assert 0.5 < ratio.quantile(0.95) < stats.t(7).ppf(0.975)


def test_many_probes_are_left_out_in_groups():
    matrix = torch.diag(torch.linspace(0, 1, D).double())
    found = trace(lambda v: matrix @ v, 40, D, 90, method="xtrace")
    error = found.value - matrix.trace()
    assert error.square().mean().sqrt() < found.standard_error.square().mean().sqrt() * 1.2
    assert error.square().mean().sqrt() > found.standard_error.square().mean().sqrt() / 4


def test_methods_rank_as_published_where_the_spectrum_decays():
    matrices = operators(DECAYING)
    exact = matrices.diagonal(dim1=1, dim2=2).sum(1)
    errors = {}
    for method in ("hutchinson", "hutch++", "xtrace"):
        found = [trace(lambda v: matrices @ v, 3, D, 30, method=method, seed=s).value for s in range(30)]
        errors[method] = float((torch.stack(found) - exact).square().mean().sqrt())
    assert errors["xtrace"] < errors["hutch++"] < errors["hutchinson"] / 3


def test_exact_where_that_costs_no_more():
    matrices = operators(DECAYING)
    found = trace(lambda v: matrices @ v, 3, D, D)
    assert found.method == "exact"
    assert found.standard_error.max() == 0
    torch.testing.assert_close(found.value, matrices.diagonal(dim1=1, dim2=2).sum(1))


def test_an_operator_of_exactly_low_rank_has_no_error():
    matrix = torch.zeros(D, D, dtype=torch.float64)
    matrix[:4, :4] = torch.arange(16.0).reshape(4, 4).double()
    for method in ("hutch++", "xtrace"):
        found = trace(lambda v: matrix @ v, 1, D, 24, method=method)
        assert float(found.value) == pytest.approx(30, abs=1e-10)
        assert found.standard_error < 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_zero_operator_and_single_precision(method):
    assert trace(torch.zeros_like, 2, 40, 12, method=method).value.abs().max() == 0
    single = trace(lambda v: 2 * v.float(), 1, 40, 12, method=method, seed=1)
    assert abs(float(single.value) - 80) <= 4.5 * float(single.standard_error) + 1e-3


def test_diagonal_operators_are_exact_by_signs():
    signs = torch.randint(0, 2, (1, 7, 3)).double() * 2 - 1
    found = hutchinson(lambda v: torch.arange(7.0)[:, None] * v, signs)
    assert found.value.item() == 21
    assert found.standard_error.item() == 0


@pytest.mark.parametrize(("method", "n_applied"), [("hutchinson", 1), ("hutch++", 5), ("xtrace", 3)])
def test_too_few_applications_are_refused(method, n_applied):
    with pytest.raises(ValueError, match=re.escape(f"{method} judges its error from no fewer")):
        trace(lambda v: v, 1, 50, n_applied, method=method)
