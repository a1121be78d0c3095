"""The empirical denoiser of the nearest points: the search, its softmax, and the bound on its error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens import estimators
from scorelens.estimators import Empirical, EmpiricalDenoiser
from scorelens.estimators.empirical import streamed_softmax
from scorelens.estimators.empirical.estimator import _ball
from scorelens.estimators.empirical.nearest import Nearest, nearest

N, D = 400, 5


def found_nearest(x: np.ndarray | Tensor, points: np.ndarray, count: int) -> Nearest:
    return nearest(torch.as_tensor(x), torch.tensor(points), count, *_ball(torch.tensor(points)))


def squares_by_numpy(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    return ((x.astype(np.longdouble)[:, None] - points.astype(np.longdouble)) ** 2).sum(2)


@pytest.fixture(scope="module")
def cloud() -> np.ndarray:
    generator = np.random.default_rng(4)
    return generator.standard_normal((N, D)) * np.linspace(0.2, 1.5, D) + 3


def noisy(points: np.ndarray, sigma: float, n: int = 40) -> Tensor:
    return torch.tensor(points[:n].astype(float) + sigma * np.random.default_rng(1).standard_normal((n, D)))


def gap(points: np.ndarray, count: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """True ``|D_k - D|`` and its bound."""
    x, truncated = noisy(points, sigma), Empirical(neighbours=count).fit(points)
    away = truncated(x, sigma) - Empirical().fit(points)(x, sigma)
    return away.norm(dim=1).numpy(), truncated.truncation_error(x, sigma).numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 399])
def test_no_nearer_point_is_missed(cloud: np.ndarray, count: int, dtype) -> None:
    x, points = noisy(cloud, 0.3).numpy(), cloud.astype(dtype)
    found = found_nearest(x, points, count)
    squares = np.sort(squares_by_numpy(x, points), axis=1)
    of_found = np.sort(np.take_along_axis(squares_by_numpy(x, points), found.columns.numpy(), 1), axis=1)
    np.testing.assert_array_equal(of_found, squares[:, :count])
    assert (found.others.numpy() <= squares[:, count]).all()
    np.testing.assert_allclose(found.others, squares[:, count].astype(float), rtol=1e-12)


def test_what_a_product_cannot_tell_apart_is_searched_again() -> None:
    """In float32 the products of these points err by more than their distances differ."""
    generator = np.random.default_rng(0)
    points = (100 + 1e-3 * generator.standard_normal((300, D))).astype(np.float32)
    x = (100 + 1e-3 * generator.standard_normal((20, D))).astype(np.float32)
    squares = np.sort(squares_by_numpy(x, points), axis=1)
    found = found_nearest(x, points, 5)
    of_found = np.sort(np.take_along_axis(squares_by_numpy(x, points), found.columns.numpy(), 1), axis=1)
    np.testing.assert_allclose(of_found.astype(float), squares[:, :5].astype(float), rtol=1e-9)
    assert (found.others.numpy() <= squares[:, 5]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 2.0, 50.0])
def test_it_is_the_softmax_over_the_nearest(cloud: np.ndarray, sigma: float, dtype) -> None:
    points, count = cloud.astype(dtype), 12
    x = noisy(points, sigma)
    squares = squares_by_numpy(x.numpy(), points)
    columns = np.argsort(squares, axis=1)[:, :count]
    logits = -np.take_along_axis(squares, columns, 1) / (2 * np.longdouble(sigma) ** 2)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    kept = points.astype(np.longdouble)[columns]
    expected = (weights[:, None] @ kept)[:, 0] / weights.sum(1, keepdims=True)
    found = Empirical(neighbours=count).fit(points)(x, sigma)
    np.testing.assert_allclose(found, expected.astype(float), rtol=1e-11)


@pytest.mark.parametrize("count", [1, 10, 100, 399])
@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3, 1.0, 5.0, 100.0])
def test_the_error_stays_within_its_bound(cloud: np.ndarray, count: int, sigma: float) -> None:
    error, bound = gap(cloud, count, sigma)
    assert (error <= bound + 1e-13).all()
    assert np.isfinite(bound).all()


def test_the_bound_is_of_use_at_small_noise(cloud: np.ndarray) -> None:
    assert gap(cloud, 50, 0.05)[1].max() < 1e-10
    for count, sigma in ((50, 0.4), (100, 0.4), (200, 0.5)):
        error, bound = gap(cloud, count, sigma)
        seen = error > 1e-7
        assert seen.mean() > 0.5
        assert np.median(bound[seen] / error[seen]) < 300


def test_the_bound_tends_to_the_full_spread(cloud: np.ndarray) -> None:
    x, denoiser = noisy(cloud, 1e4), Empirical(neighbours=100).fit(cloud)
    spread = np.linalg.norm(cloud - cloud.mean(0), axis=1).max()
    shift = (denoiser(x, 1e4) - torch.tensor(cloud.mean(0))).norm(dim=1).numpy()
    np.testing.assert_allclose(denoiser.truncation_error(x, 1e4), 0.75 * (spread + shift), rtol=2e-3)


def test_the_bound_is_nearly_met_by_the_worst_points() -> None:
    """All points left out at the distance of the last kept one, and on the far side of the ball."""
    points = np.array([[1.0, 0.0]] + [[-1.0, 0.0]] * 99)
    x, denoiser = torch.zeros(1, 2).double(), Empirical(neighbours=1).fit(points)
    error = (Empirical().fit(points)(x, 0.3) - denoiser(x, 0.3)).norm()
    assert float(error) == pytest.approx(1.98 if denoiser(x, 0.3)[0, 0] > 0 else 0.02)
    assert error <= denoiser.truncation_error(x, 0.3) < 4


def test_the_log_density_is_below_the_exact_one_by_no_more_than_stated(cloud: np.ndarray) -> None:
    exact, truncated = Empirical().fit(cloud), Empirical(neighbours=20).fit(cloud)
    for sigma in (0.05, 0.2, 1.0, 10.0):
        x = noisy(cloud, sigma)
        shift = (truncated(x, sigma) - truncated.center).norm(dim=1)
        share = truncated.truncation_error(x, sigma) / (truncated.radius + shift)
        short = exact.log_prob(x, sigma) - truncated.log_prob(x, sigma)
        rounding = streamed_softmax.TOLERANCE[torch.float64]
        assert (short >= -rounding).all()
        assert (short <= -torch.log1p(-share) + rounding).all()


def test_all_neighbours_are_the_exact_denoiser(cloud: np.ndarray) -> None:
    x, whole, all_of_them = noisy(cloud, 0.4), Empirical().fit(cloud), Empirical(neighbours=N).fit(cloud)
    assert torch.equal(whole(x, 0.4), all_of_them(x, 0.4))
    assert torch.equal(whole.log_prob(x, 0.4), all_of_them.log_prob(x, 0.4))
    for denoiser in (whole, all_of_them):
        assert denoiser.truncation_error(x, 0.4).tolist() == [0.0] * len(x)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 8.0])
def test_its_derivatives_are_those_of_autograd(cloud: np.ndarray, sigma: float, monkeypatch) -> None:
    monkeypatch.setattr(streamed_softmax, "BLOCK", 100)
    denoiser, x = Empirical(neighbours=30).fit(cloud), noisy(cloud, sigma, 4)
    rows = torch.autograd.functional.jacobian(lambda e: denoiser(e, sigma).sum(0), x).permute(1, 0, 2)
    torch.testing.assert_close(denoiser.jacobian(x, sigma), rows, rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(
        denoiser.posterior_covariance(x, sigma), sigma**2 * rows, rtol=1e-8, atol=1e-11
    )
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(denoiser.log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(gradient, denoiser.score(x.detach(), sigma), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_of_any_size_give_the_same(cloud: np.ndarray, dtype, monkeypatch) -> None:
    denoiser, x = Empirical(neighbours=30).fit(cloud.astype(dtype)), noisy(cloud, 0.3)
    sigma = torch.logspace(-2, 1, len(x)).double()
    whole = denoiser(x, sigma), denoiser.truncation_error(x, sigma)
    monkeypatch.setattr(streamed_softmax, "BLOCK", 40 * 11)
    torch.testing.assert_close(
        (denoiser(x, sigma), denoiser.truncation_error(x, sigma)), whole, rtol=1e-9, atol=1e-300
    )


def test_the_kept_points_are_met_in_blocks(cloud: np.ndarray, monkeypatch) -> None:
    monkeypatch.setattr(streamed_softmax, "BLOCK", 2**9)
    x = noisy(cloud, 0.3)
    found = found_nearest(x, cloud, 100)
    sizes = [y.numel() for y in found.blocks(torch.tensor(cloud))]
    assert max(sizes) <= 2**9
    assert sum(sizes) == len(x) * 100 * D


def test_precision_and_shape_are_those_of_x(cloud: np.ndarray) -> None:
    denoiser, x = Empirical(neighbours=9).fit(cloud.reshape(N, 1, D)), noisy(cloud, 0.3).reshape(-1, 1, D)
    for dtype in (torch.float32, torch.float64):
        found, bound = denoiser(x.to(dtype), 0.3), denoiser.truncation_error(x.to(dtype), 0.3)
        assert (found.dtype, found.shape) == (dtype, x.shape)
        assert (bound.dtype, bound.shape) == (dtype, (len(x),))
    torch.testing.assert_close(denoiser(x.float(), 0.3).double(), denoiser(x, 0.3), rtol=1e-4, atol=1e-4)


def test_a_file_remembers_the_neighbours(cloud: np.ndarray, tmp_path: Path) -> None:
    denoiser, x = Empirical(neighbours=9).fit(cloud), noisy(cloud, 2.0)
    estimators.save(denoiser, tmp_path / "nearest.safetensors")
    loaded = estimators.load(tmp_path / "nearest.safetensors")
    assert isinstance(loaded, EmpiricalDenoiser)
    assert torch.equal(loaded(x, 2.0), denoiser(x, 2.0))
    assert not torch.allclose(loaded(x, 2.0), Empirical().fit(cloud)(x, 2.0))


def test_impossible_numbers_of_neighbours_are_refused(cloud: np.ndarray) -> None:
    with pytest.raises(ValueError, match="neighbours must be at least 1, got 0"):
        Empirical(neighbours=0)
    with pytest.raises(TypeError, match="neighbours must be a whole number"):
        Empirical(neighbours=2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at most the 400 points, got 401; leave it out"):
        Empirical(neighbours=401).fit(cloud)
    with pytest.raises(ValueError, match="shape"):
        Empirical(neighbours=3).fit(cloud).truncation_error(torch.zeros(2, D + 1), 1.0)
