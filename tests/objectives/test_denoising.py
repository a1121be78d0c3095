"""The denoising loss against closed forms: its value and its gradient in the linear, Gaussian case."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.core.preconditioning import matched_scalings
from scorelens.objectives import ALL, DenoisingLoss, Pixel, Target

VARIANCES = torch.tensor([4.0, 1.0, 0.05], dtype=torch.float64)
ASSUMED = torch.tensor([1.0, 1.0, 0.2], dtype=torch.float64)
N = 200_000


def draws(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(N, 7, generator=generator, dtype=torch.float64)
    return normal[:, :3] * VARIANCES.sqrt(), normal[:, 3], normal[:, 4:]


def wiener(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
    level = torch.as_tensor(sigma).unsqueeze(-1)
    return VARIANCES / (VARIANCES + level**2) * x


def fixed(sigma: float) -> LogUniform:
    """A law that is as good as a single noise level."""
    return LogUniform(sigma, sigma * (1 + 1e-9))


def close(samples: torch.Tensor, exact: float) -> None:
    """z-score with power check."""
    error = float(samples.std()) / len(samples) ** 0.5
    assert abs(float(samples.mean()) - exact) < 4.5 * error
    assert error < 0.05 * abs(exact)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 5.0])
def test_pixel_loss_of_the_optimal_denoiser(sigma):
    loss = DenoisingLoss(fixed(sigma), Pixel(0.5))(wiener, *draws())
    posterior = sigma**2 * VARIANCES / (VARIANCES + sigma**2)
    weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
    close(loss, float(weight * posterior.mean()))


@pytest.mark.parametrize("sigma", [0.1, 1.0, 5.0])
def test_target_loss_of_the_optimal_denoiser_is_one_if_the_covariance_is_known(sigma):
    def whiten(residual, level):
        return residual / matched_scalings(VARIANCES, level.unsqueeze(-1)).output

    close(DenoisingLoss(fixed(sigma), Target(whiten))(wiener, *draws()), 1.0)


@pytest.mark.parametrize("weighting", ["pixel", "target"])
@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_gradient_at_start_has_the_declared_rates(weighting, sigma):
    """d(loss)/dW' at W' = 0 is -2 r_k (psi* - psi_0) / (c_out c_in) per mode, rates r_k of [E24]."""
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def denoiser(x, level):
        skip, output, input = matched_scalings(ASSUMED, level.unsqueeze(-1))
        return skip * x + output * weights * input * x

    def whiten(residual, level):
        return residual / matched_scalings(ASSUMED, level.unsqueeze(-1)).output

    s = 0.7
    chosen = Pixel(s) if weighting == "pixel" else Target(whiten)
    per_sample = DenoisingLoss(fixed(sigma), chosen)(denoiser, *draws())
    blocks = [torch.autograd.grad(b.mean(), weights, retain_graph=True)[0] for b in per_sample.chunk(50)]
    gradients = torch.stack(blocks).numpy()

    g, lam = ASSUMED.numpy(), VARIANCES.numpy()
    rate = (lam + sigma**2) / (g + sigma**2)
    if weighting == "pixel":
        rate *= g * (sigma**2 + s**2) / (s**2 * (g + sigma**2))
    skip, output, input = matched_scalings(g, sigma)
    missing = (lam / (lam + sigma**2) - skip) / (output * input)
    exact = -2 * rate * missing / 3  # averaged over three coordinates
    error = gradients.std(axis=0, ddof=1) / 50**0.5
    assert np.all(np.abs(gradients.mean(axis=0) - exact) < 4.5 * error)
    moving = np.abs(exact) > 1e-9
    assert np.all(error[moving] < 0.05 * np.abs(exact[moving]))
    assert moving.sum() == 2


def test_sigma_follows_the_law():
    seen = []

    def spy(x, sigma):
        seen.append(sigma)
        return x

    DenoisingLoss(LogNormal(-1.2, 1.2), Pixel(0.5))(spy, *draws())
    log_sigma = seen[0].log().numpy()
    assert abs(log_sigma.mean() + 1.2) < 4.5 * 1.2 / N**0.5
    assert abs(log_sigma.std() - 1.2) < 4.5 * 1.2 / (2 * N) ** 0.5


def test_pure_function_per_sample():
    x0, level, noise = (part[:10] for part in draws())
    loss = DenoisingLoss(LogNormal(), Pixel(0.5))
    whole = loss(wiener, x0, level, noise)
    assert whole.shape == (10,)
    torch.testing.assert_close(whole[3:4], loss(wiener, x0[3:4], level[3:4], noise[3:4]))
    image = loss(lambda x, sigma: 0 * x, x0.reshape(10, 1, 3, 1), level, noise.reshape(10, 1, 3, 1))
    torch.testing.assert_close(image, loss(lambda x, sigma: 0 * x, x0, level, noise))


def test_weightings_state_their_equation():
    assert [w.name for w in ALL][:2] == ["pixel", "target"]
    assert all(w.equation for w in ALL)
    with pytest.raises(ValueError, match="sigma_data must be finite and > 0"):
        Pixel(0.0)
