"""Denoisers of local patches against their definitions, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens.estimators import local_patch
from scorelens.estimators.local_patch import LocalPatch, Neighbourhood, PatchLinear

SHAPES = [(7,), (4, 5), (2, 3, 4), (3, 1, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def data(shape: tuple[int, ...], n: int = 12, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rough = generator.standard_normal((n, *shape))
    return 0.3 + rough + np.roll(rough, 1, axis=-1)


def patch(image: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    """Patch of ``(channels, height, width)`` around a pixel, one value at a time."""
    _, height, width = image.shape
    reaches = [[k - min(n, size) // 2 for k in range(min(n, size))] for n in (height, width)]
    return np.array(
        [
            channel[(row + i) % height, (column + j) % width]
            for channel in image
            for i in reaches[0]
            for j in reaches[1]
        ]
    )


def as_images(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), *(1,) * (4 - x.ndim), *x.shape[1:])


def all_patches(x: np.ndarray, size: int) -> np.ndarray:
    """``(n, height, width, values)``."""
    images = as_images(x)
    _, _, height, width = images.shape
    return np.array([[[patch(e, i, j, size) for j in range(width)] for i in range(height)] for e in images])


@every_shape
def test_patches_hold_their_pixel_and_its_neighbours(shape: tuple[int, ...]) -> None:
    x, near = data(shape), Neighbourhood(shape, 3)
    found = near.patches(torch.tensor(x).flatten(1))
    expected = all_patches(x, 3)
    np.testing.assert_array_equal(found.numpy(), expected.reshape(found.shape))
    centres = found[:, :, near.centres].transpose(1, 2).reshape(len(x), -1)
    np.testing.assert_array_equal(centres.numpy(), x.reshape(len(x), -1))


@every_shape
@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_linear_filter_is_least_squares_over_all_patches(shape: tuple[int, ...], size: int) -> None:
    # The optimum solves: patches plus noise of variance sigma^2 -> clean centre, in the least squares sense.
    x, sigma = data(shape), 0.6
    mean = x.mean(0)
    patches = all_patches(x - mean, size)
    width, channels = patches.shape[-1], as_images(x).shape[1]
    flat = patches.reshape(-1, width)
    centres = np.moveaxis(as_images(x - mean), 1, -1).reshape(-1, channels)
    ridge = np.sqrt(len(flat)) * sigma * np.eye(width)
    padded = np.concatenate([centres, np.zeros((width, channels))])
    taps = np.linalg.lstsq(np.concatenate([flat, ridge]), padded, rcond=None)[0]
    query = data(shape, 4, seed=1)
    filtered = np.moveaxis(all_patches(query - mean, size) @ taps, -1, 1).reshape(query.shape)
    denoised = PatchLinear(patch_size=size).fit(x)(torch.tensor(query), sigma)
    np.testing.assert_allclose(denoised.numpy(), mean + filtered, rtol=0, atol=1e-12)


@every_shape
def test_the_filter_is_shared_by_all_pixels(shape: tuple[int, ...]) -> None:
    denoiser, mean = PatchLinear().fit(data(shape)), torch.tensor(data(shape).mean(0))
    x = torch.tensor(data(shape, 3, seed=1))

    def change(x: Tensor) -> Tensor:
        return denoiser(mean + x, 0.5) - mean

    torch.testing.assert_close(change(x.roll(2, -1)), change(x).roll(2, -1), rtol=1e-12, atol=1e-12)


def test_a_patch_of_the_whole_image_is_the_filter_of_the_spectrum() -> None:
    x, sigma = data((5, 7)), 0.4
    mean = x.mean(0)
    power = (np.abs(np.fft.fft2(x - mean)) ** 2).mean(0) / 35
    query = data((5, 7), 3, seed=1)
    filtered = np.fft.ifft2(power / (power + sigma**2) * np.fft.fft2(query - mean)).real
    denoised = PatchLinear(patch_size=7).fit(x)(torch.tensor(query), sigma)
    np.testing.assert_allclose(denoised.numpy(), mean + filtered, rtol=0, atol=1e-12)


@every_shape
@pytest.mark.parametrize("equivariant", [False, True])
@pytest.mark.parametrize("sigma", [0.02, 0.7, 5.0])
def test_the_score_machine_is_its_sum_over_patches(
    shape: tuple[int, ...], equivariant: bool, sigma: float
) -> None:
    x, query = data(shape), data(shape, 3, seed=1)
    training, patches = all_patches(x, 3), all_patches(query, 3)
    values = np.moveaxis(as_images(x), 1, -1)  # (n, height, width, channels)
    expected = np.empty((3, *values.shape[1:]))
    for event, i, j in np.ndindex(patches.shape[:3]):
        known = training.reshape(-1, training.shape[-1]) if equivariant else training[:, i, j]
        centres = values.reshape(-1, values.shape[-1]) if equivariant else values[:, i, j]
        logits = -((patches[event, i, j] - known) ** 2).sum(-1) / (2 * sigma**2)
        weights = np.exp(logits - logits.max())
        expected[event, i, j] = weights @ centres / weights.sum()
    denoised = LocalPatch(equivariant=equivariant).fit(x)(torch.tensor(query), sigma)
    np.testing.assert_allclose(denoised.numpy(), np.moveaxis(expected, -1, 1).reshape(query.shape), atol=1e-9)


@pytest.mark.parametrize("equivariant", [False, True])
def test_blocks_change_nothing(equivariant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser, x = (
        LocalPatch(equivariant=equivariant).fit(data((2, 3, 4))),
        torch.tensor(data((2, 3, 4), 5, 1)),
    )
    sigma = torch.linspace(0.3, 2.0, 5).double()
    whole = denoiser(x, sigma)
    linear = PatchLinear().fit(data((2, 3, 4)))(x, sigma)
    monkeypatch.setattr(local_patch, "_BLOCK_ENTRIES", 500)
    torch.testing.assert_close(denoiser(x, sigma), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(PatchLinear().fit(data((2, 3, 4)))(x, sigma), linear, rtol=1e-11, atol=1e-11)


def test_only_the_equivariant_machine_shifts_with_the_image() -> None:
    x, query = data((4, 5)), torch.tensor(data((4, 5), 3, seed=1))
    equivariant, local = (LocalPatch(equivariant=flag).fit(x) for flag in (True, False))
    shifted = query.roll((1, 2), (1, 2))
    expected = equivariant(query, 0.5).roll((1, 2), (1, 2))
    torch.testing.assert_close(equivariant(shifted, 0.5), expected, rtol=1e-11, atol=1e-11)
    assert (local(shifted, 0.5) - local(query, 0.5).roll((1, 2), (1, 2))).abs().max() > 0.1


def test_the_whole_image_as_patch_is_the_empirical_denoiser() -> None:
    x, query = data((5,)), torch.tensor(data((5,), 4, seed=1))
    points = torch.tensor(x)
    weights = torch.softmax(-(torch.cdist(query, points) ** 2) / (2 * 0.8**2), 1)
    torch.testing.assert_close(
        LocalPatch(patch_size=5).fit(x)(query, 0.8), weights @ points, rtol=1e-10, atol=1e-10
    )


def test_with_much_noise_the_equivariant_machine_gives_the_mean_of_all_pixels() -> None:
    x = data((4, 5))
    denoised = LocalPatch(equivariant=True).fit(x)(torch.tensor(x[:2]), 1e5)
    torch.testing.assert_close(denoised, torch.full_like(denoised, x.mean()), rtol=0, atol=1e-6)


def test_bad_patches_and_events_are_refused() -> None:
    for estimator in (PatchLinear(patch_size=2), LocalPatch(patch_size=2)):
        with pytest.raises(ValueError, match="take 1 or 3"):
            estimator.fit(data((5,)))
    for estimator in (PatchLinear(), LocalPatch()):
        with pytest.raises(ValueError, match="reshape them"):
            estimator.fit(data((2, 2, 2, 2)))
    with pytest.raises(ValueError, match="at least 2"):
        PatchLinear().fit(data((5,), 1))
