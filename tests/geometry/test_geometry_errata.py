"""What the text on the geometry of denoisers prints, and what is true: it assumes alpha = 1 unsaid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.estimators import MixtureDenoiser

RNG = np.random.default_rng(5)
D, SIGMA, ALPHA = 4, 0.7, 0.6
BASES = [np.linalg.qr(RNG.standard_normal((D, rank)))[0] for rank in (1, 2)]
MOLRG = MixtureDenoiser.of_subspaces([0.4, 0.6], BASES, [np.ones(1), np.ones(2)])
X = torch.tensor(RNG.standard_normal((3, D)))


def posterior_mean(x: torch.Tensor) -> torch.Tensor:
    """``E[x_0 | x_t = x]`` of ``x_t = alpha (x_0 + sigma n)``."""
    return MOLRG(x / ALPHA, SIGMA)


def score(x: torch.Tensor) -> torch.Tensor:
    """By automatic derivatives of the density of ``x_t``, without Tweedie."""
    at = x.clone().requires_grad_()
    return torch.autograd.grad(MOLRG.log_prob(at / ALPHA, SIGMA).sum(), at)[0]


def derivative(function, x: torch.Tensor) -> torch.Tensor:
    step = 1e-4
    columns = [(function(x + step * e) - function(x - step * e)) / (2 * step) for e in torch.eye(D).double()]
    return torch.stack(columns, 2)


def far(found: torch.Tensor, expected: torch.Tensor, share: float = 0.1) -> bool:
    return float((found - expected).abs().max()) > share * float(expected.abs().max())


def test_the_score_needs_the_scale():
    std = ALPHA * SIGMA
    torch.testing.assert_close((ALPHA * posterior_mean(X) - X) / std**2, score(X))  # [P2]
    for printed in ((posterior_mean(X) - X) / SIGMA**2, (posterior_mean(X) - X) / std**2):
        assert far(printed, score(X))


def test_the_jacobian_needs_the_scale():
    jacobian, covariance = derivative(posterior_mean, X), MOLRG.posterior_covariance(X / ALPHA, SIGMA)
    hessian, unit = derivative(score, X), torch.eye(D).double()
    torch.testing.assert_close(jacobian, covariance / (ALPHA * SIGMA**2), rtol=1e-5, atol=1e-6)  # [P3]
    torch.testing.assert_close(
        jacobian, (unit + (ALPHA * SIGMA) ** 2 * hessian) / ALPHA, rtol=1e-5, atol=1e-6
    )
    assert far(covariance / SIGMA**2, jacobian)
    assert far(unit + SIGMA**2 * hessian, jacobian)


def test_between_modes_the_jacobian_expands():
    two = MixtureDenoiser.of_covariances([0.5, 0.5], [[-1.0], [1.0]], np.zeros((2, 1, 1)))
    assert two.jacobian(torch.zeros(1, 1).double(), 0.5).item() == pytest.approx(4.0)  # [P4]


def test_ideal_denoisers_are_not_homogeneous():
    defect = MOLRG(X, SIGMA) - (MOLRG.jacobian(X, SIGMA) @ X[..., None])[..., 0]
    share = MOLRG.responsibilities(X, SIGMA)
    gain = 1 / (1 + SIGMA**2)
    means = torch.stack([gain * X @ torch.tensor(u @ u.T) for u in BASES], 1)
    along = (means * X[:, None]).sum(2)
    apart = along - (share * along).sum(1, keepdim=True)
    covariance = torch.einsum("bk,bkd,bk->bd", share, means, apart)
    torch.testing.assert_close(defect, -covariance / SIGMA**2)  # [P12]
    assert float(defect.abs().max()) > 0.01
    one = MixtureDenoiser.of_subspaces([1.0], [BASES[1]], [np.ones(2)])
    torch.testing.assert_close(one(X, SIGMA), (one.jacobian(X, SIGMA) @ X[..., None])[..., 0])


def test_data_and_noise_scaled_alike_scale_the_denoiser():
    c = 2.5
    larger = MixtureDenoiser.of_subspaces([0.4, 0.6], BASES, [np.full(1, c**2), np.full(2, c**2)])
    torch.testing.assert_close(larger(c * X, c * SIGMA), c * MOLRG(X, SIGMA))  # [P12]


def test_the_factor_of_the_mixture_of_subspaces():
    std = ALPHA * SIGMA
    lengths = torch.stack([(X @ torch.tensor(u)).square().sum(1) for u in BASES], 1)
    logits = torch.tensor([0.4, 0.6]).double().log() + ALPHA**2 * lengths / (2 * std**2 * (ALPHA**2 + std**2))
    ranks = torch.tensor([1.0, 2.0]).double()
    share = (logits - ranks / 2 * np.log1p(ALPHA**2 / std**2)).softmax(1)  # [P19]
    projected = torch.stack([X @ torch.tensor(u @ u.T) for u in BASES], 1)
    mixed = (share[..., None] * projected).sum(1)
    torch.testing.assert_close(ALPHA / (ALPHA**2 + std**2) * mixed, posterior_mean(X))
    assert far(ALPHA**2 / (ALPHA**2 + std**2) * mixed, posterior_mean(X))
    without_ranks = (logits.softmax(1)[..., None] * projected).sum(1)
    assert far(ALPHA / (ALPHA**2 + std**2) * without_ranks, posterior_mean(X), 0.005)


def test_equal_losses_have_unequal_weights():
    estimate = posterior_mean(X) + 0.3
    of_the_score = ((ALPHA * estimate - X) / (ALPHA * SIGMA) ** 2 - score(X)).square().sum(1)
    of_the_denoiser = (estimate - posterior_mean(X)).square().sum(1)
    torch.testing.assert_close(of_the_score, of_the_denoiser / (ALPHA**2 * SIGMA**4))  # [P6]
