"""The empirical denoiser against the plain softmax in long arithmetic, in both precisions and all noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens.estimators import Empirical
from scorelens.estimators.empirical import streamed_softmax


def softmax_by_numpy(points: np.ndarray, x: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Denoised ``x`` and log density, from explicit differences in extended precision."""
    points, x = points.astype(np.longdouble), x.astype(np.longdouble)
    logits = -((x[:, None] - points) ** 2).sum(2) / (2 * np.longdouble(sigma) ** 2)
    peak = logits.max(1, keepdims=True)
    weights = np.exp(logits - peak)
    total = weights.sum(1, keepdims=True)
    scale = np.log(len(points)) + points.shape[1] * (np.log(sigma) + 0.5 * np.log(2 * np.pi))
    return (weights / total @ points).astype(float), ((peak + np.log(total))[:, 0] - scale).astype(float)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def case(request) -> tuple[np.ndarray, np.ndarray]:
    """Points in clusters far from the origin, so that many distances nearly agree; events of unit noise."""
    generator = np.random.default_rng(2)
    points = (generator.standard_normal((300, 1, 8)) * 3 + 20).repeat(2, 1)
    points += generator.standard_normal(points.shape) * 0.01
    noise = generator.standard_normal((6, 8))
    return points.reshape(-1, 8).astype(request.param), noise


@pytest.mark.parametrize("sigma", [0.002, 0.02, 0.3, 3.0, 80.0])
def test_it_is_the_softmax_over_all_points(case, sigma: float) -> None:
    points, noise = case
    x = points[:6].astype(float) + sigma * noise
    expected, log_prob = softmax_by_numpy(points, x, sigma)
    denoiser = Empirical().fit(points)
    single = points.dtype == np.float32
    np.testing.assert_allclose(denoiser(torch.tensor(x), sigma), expected, rtol=3e-5 if single else 1e-11)
    found = denoiser.log_prob(torch.tensor(x), sigma)
    np.testing.assert_allclose(found, log_prob, rtol=1e-5 if single else 1e-10, atol=2e-3 if single else 1e-9)


def test_near_ties_are_decided_by_differences() -> None:
    """At sigma = 0.002 a product in float32 errs by far more than the two logits differ."""
    points = np.array([[100.0, 0.0], [100.001, 0.0]], dtype=np.float32)
    x = np.array([[100.0005, 0.0]])
    expected, _ = softmax_by_numpy(points, x, 0.002)
    found = Empirical().fit(points)(torch.tensor(x), 0.002)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    rough = streamed_softmax.by_products(
        torch.tensor(x), torch.tensor([0.002]).double(), streamed_softmax.Points(*_points(points))
    )
    assert abs(float(rough.point[0, 0] / rough.total[0]) - expected[0, 0]) > 1e-4


def _points(points: np.ndarray) -> tuple[Tensor, Tensor]:
    values = torch.tensor(points)
    return values, values.double().square().sum(1) / 2


@pytest.mark.parametrize("sigma", [0.01, 0.7, 30.0])
def test_blocks_of_any_size_give_the_same(case, sigma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    points, noise = case
    x, denoiser = torch.tensor(points[:6] + sigma * noise), Empirical().fit(points)
    whole = denoiser(x, sigma), denoiser.log_prob(x, sigma), denoiser.posterior_covariance(x, sigma)
    monkeypatch.setattr(streamed_softmax, "BLOCK", 6 * 8 * 7)
    monkeypatch.setattr(streamed_softmax, "PAIRS", 5)
    tolerance = 3e-6 if points.dtype == np.float32 else 1e-10
    streamed = denoiser(x, sigma), denoiser.log_prob(x, sigma), denoiser.posterior_covariance(x, sigma)
    for one, many in zip(whole, streamed, strict=True):
        torch.testing.assert_close(one, many, rtol=tolerance, atol=1e-3 * tolerance + 1e-10)


def test_the_gradient_flows_through_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(3).standard_normal((50, 3))
    denoiser, x = (
        Empirical().fit(points),
        torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double(),
    )
    monkeypatch.setattr(streamed_softmax, "BLOCK", 40)
    for sigma in (1e-4, 0.4):
        rows = torch.autograd.functional.jacobian(lambda e, s=sigma: denoiser(e, s).sum(0), x).permute(
            1, 0, 2
        )
        torch.testing.assert_close(denoiser.jacobian(x, sigma), rows, rtol=1e-8, atol=1e-12)


def test_no_block_exceeds_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    largest, n = [0], 5000
    rough = streamed_softmax._rough

    def watched(x: Tensor, sigma: Tensor, block: streamed_softmax.Points) -> Tensor:
        logits = rough(x, sigma, block)
        largest[0] = max(largest[0], logits.numel())
        return logits

    monkeypatch.setattr(streamed_softmax, "_rough", watched)
    monkeypatch.setattr(streamed_softmax, "BLOCK", 2**10)
    denoiser = Empirical().fit(np.random.default_rng(0).standard_normal((n, 2)))
    denoiser(torch.zeros(4, 2).double(), torch.tensor([1e-5, 1e-5, 1.0, 2.0]))
    assert 0 < largest[0] <= 2**10


def test_a_training_point_is_recalled_at_small_noise() -> None:
    points = np.random.default_rng(7).standard_normal((100, 4)).astype(np.float32)
    recalled = Empirical().fit(points)(torch.tensor(points), 1e-3)
    assert torch.equal(recalled, torch.tensor(points))


def test_one_point_is_its_own_denoiser() -> None:
    denoiser = Empirical().fit(np.array([[1.0, 2.0]]))
    assert denoiser(torch.zeros(1, 2), 0.5).tolist() == [[1.0, 2.0]]
    assert denoiser.jacobian(torch.zeros(1, 2), 0.5).abs().max() == 0


def test_points_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"points must have shape \(n, 3\)"):
        Empirical.fitted((3,), torch.zeros(2, 4))
