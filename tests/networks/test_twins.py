"""What single twins are: their layers, starts and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorelens.networks import twins
from scorelens.networks.twins import (
    AsymmetricTwoLayerTwin,
    DeepLinearTwin,
    DeepResidualTwin,
    FlowOneLayerTwin,
    FlowTwoLayerTwin,
    FullConvolutionTwin,
    OneLayerTwin,
    PatchConvolutionTwin,
    ResidualOneLayerTwin,
    SymmetricTwoLayerTwin,
    ToeplitzConvolutionTwin,
    TwoLayerConvolutionTwin,
)

SIGMAS = [1.0, 0.25]
FRAME = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]
GAINS = np.array([0.9, 0.4, 0.1, 0.0])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def gains(twin: twins.Twin) -> np.ndarray:
    """Gains along the frame, ``(s, d)``; the matrices have nothing beside them."""
    seen = FRAME.T @ twin.matrix().detach().numpy() @ FRAME
    along = np.diagonal(seen, axis1=-2, axis2=-1)
    np.testing.assert_allclose(seen, along[..., None] * np.eye(4), atol=1e-13)
    return along


@pytest.mark.parametrize(
    ("twin", "expected"),
    [
        (OneLayerTwin.aligned(SIGMAS, FRAME, GAINS - 0.5), GAINS - 0.5),
        (
            ResidualOneLayerTwin.aligned(SIGMAS, FRAME, skip=0.4, output=-2.0, initial_weight=GAINS),
            0.4 - 2 * GAINS,
        ),
        (SymmetricTwoLayerTwin.aligned(SIGMAS, FRAME, GAINS), GAINS),
        (AsymmetricTwoLayerTwin.aligned(SIGMAS, FRAME, GAINS, -0.5), -0.5 * GAINS),
        (DeepLinearTwin.aligned(SIGMAS, FRAME, depth=4, initial_gain=-GAINS), -GAINS),
        (DeepLinearTwin.aligned(SIGMAS, FRAME, depth=3, initial_gain=-GAINS, tied=True), -GAINS),
        (DeepLinearTwin.aligned(SIGMAS, FRAME, depth=4, initial_gain=GAINS, tied=True), GAINS),
        (DeepResidualTwin.aligned(SIGMAS, FRAME, depth=3, initial_layer=-GAINS), (1 - GAINS) ** 3),
        (DeepResidualTwin.aligned(SIGMAS, FRAME, depth=3, initial_layer=-GAINS, tied=True), (1 - GAINS) ** 3),
        (FlowOneLayerTwin.aligned([1.0], FRAME, GAINS - 0.5), 0.5 + 0.25 * (GAINS - 0.5)),
        (FlowTwoLayerTwin.aligned([3.0], FRAME, GAINS), 0.25 * (1 + 0.75 * GAINS)),
        (FullConvolutionTwin.aligned(SIGMAS, (2, 2), -0.3), np.full(4, -0.3)),
        (TwoLayerConvolutionTwin.aligned(SIGMAS, (4,), 0.3), np.full(4, 0.3)),
    ],
)
def test_aligned_starts_have_the_gain_asked_for(twin: twins.Twin, expected: np.ndarray) -> None:
    np.testing.assert_allclose(gains(twin), np.broadcast_to(expected, (twin.n_levels, 4)), atol=1e-13)
    assert not twin.bias().any()


def test_layers_are_counted_as_the_laws_count_them() -> None:
    assert len(list(DeepLinearTwin.random(SIGMAS, 4, generator(), depth=5).layers)) == 5
    assert len(list(DeepLinearTwin.random(SIGMAS, 4, generator(), depth=5, tied=True).layers)) == 1
    assert PatchConvolutionTwin(SIGMAS, (8, 8), [[0, 0], [0, 1]]).taps.shape == (2, 2)
    assert FullConvolutionTwin.aligned(SIGMAS, (8, 8)).taps.shape == (2, 8, 8)


def test_a_start_may_differ_between_levels() -> None:
    start = np.stack([np.eye(3), 2 * np.eye(3)])
    twin = OneLayerTwin(SIGMAS, start, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(twin.matrix().detach(), start)
    assert twin.bias().tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_low_rank_factors_leave_directions_alone() -> None:
    for twin in (
        SymmetricTwoLayerTwin.random(SIGMAS, 5, generator(), rank=2),
        AsymmetricTwoLayerTwin.random(SIGMAS, 5, generator(), rank=2),
    ):
        assert torch.linalg.matrix_rank(twin.matrix()).tolist() == [2, 2]


@pytest.mark.parametrize("grid", [(5,), (3, 4)])
def test_a_circular_twin_moves_its_filter_over_the_grid(grid: tuple[int, ...]) -> None:
    twin = FullConvolutionTwin.random(SIGMAS, grid, generator())
    taps, axes = twin.taps.detach().numpy()[1], tuple(range(len(grid)))
    image = np.random.default_rng(0).normal(size=grid)
    expected = sum(taps[k] * np.roll(image, [-i for i in k], axes) for k in np.ndindex(grid))
    made = twin(torch.tensor(image)[None], SIGMAS[1])[0]
    np.testing.assert_allclose(made.detach(), expected, atol=1e-14)
    np.testing.assert_allclose(twin.transfer().detach()[1], np.fft.fftn(taps), atol=1e-14)


@pytest.mark.parametrize("grid", [(5,), (3, 4)])
def test_two_convolutions_are_the_matrix_times_its_transpose(grid: tuple[int, ...]) -> None:
    filter_ = np.random.default_rng(0).normal(size=grid)
    factor = FullConvolutionTwin(SIGMAS, grid, filter_).matrix().detach().numpy()
    pair = TwoLayerConvolutionTwin(SIGMAS, grid, filter_).matrix().detach().numpy()
    np.testing.assert_allclose(pair, factor @ factor.swapaxes(1, 2), atol=1e-13)


def test_a_patch_is_a_full_filter_with_zeros() -> None:
    taps, laid = [0.5, -0.2, 0.3], np.zeros((3, 4))
    laid[0, 0], laid[2, 1], laid[2, 3] = taps
    patch = PatchConvolutionTwin(SIGMAS, (3, 4), [[0, 0], [-1, 1], [2, -1]], taps)
    torch.testing.assert_close(patch.matrix(), FullConvolutionTwin(SIGMAS, (3, 4), laid).matrix())


def test_a_toeplitz_twin_does_not_wrap() -> None:
    twin = ToeplitzConvolutionTwin(SIGMAS, 4, [-2, 0, 1], [1.0, 2.0, 3.0])
    expected = np.eye(4, k=-2) + 2 * np.eye(4) + 3 * np.eye(4, k=1)
    np.testing.assert_array_equal(twin.matrix().detach()[0], expected)


def test_levels_of_single_precision_and_long_lists() -> None:
    sigmas = np.geomspace(80.0, 0.002, 40)
    twin = OneLayerTwin.aligned(sigmas, np.eye(2), 0.5)
    assert twin(torch.ones(40, 2), torch.tensor(sigmas, dtype=torch.float32)).shape == (40, 2)
    with pytest.raises(ValueError, match=r"80, .*\.\.\., 0\.002, got sigma 1;"):
        twin(torch.ones(1, 2), 1.0)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: OneLayerTwin.aligned([], np.eye(2)), ValueError, "s >= 1"),
        (lambda: OneLayerTwin.aligned([1.0, 0.0], np.eye(2)), ValueError, "sigmas must be finite and > 0"),
        (lambda: OneLayerTwin.aligned([1.0, 2.0, 1.0], np.eye(2)), ValueError, "distinct, got 1 more"),
        (lambda: OneLayerTwin.aligned([1.0], np.ones((2, 2))), ValueError, "orthonormal"),
        (lambda: OneLayerTwin.aligned([1.0], np.eye(2)[:, :1]), ValueError, "one column per mode"),
        (lambda: OneLayerTwin.aligned([1.0], np.eye(2), [1.0, 2.0, 3.0]), ValueError, r"shape \(2,\)"),
        (lambda: OneLayerTwin.aligned([1.0], np.eye(2), np.nan), ValueError, "non-finite"),
        (lambda: OneLayerTwin([1.0], np.ones((2, 3))), ValueError, r"\(d, d\)"),
        (lambda: OneLayerTwin([1.0], np.ones((4, 2, 2))), ValueError, r"a layer must have shape \(2, 2\)"),
        (lambda: OneLayerTwin([1.0], np.eye(2), [1.0]), ValueError, r"bias must have shape \(2,\)"),
        (lambda: SymmetricTwoLayerTwin.aligned([1.0], np.eye(2), -0.1), ValueError, "no negative gain"),
        (lambda: FlowTwoLayerTwin.aligned([1.0], np.eye(2), -0.1), ValueError, "no negative gain"),
        (lambda: SymmetricTwoLayerTwin([1.0], np.ones(3)), ValueError, "must be a matrix"),
        (lambda: AsymmetricTwoLayerTwin([1.0], np.ones((3, 2)), np.ones((3, 2))), ValueError, "must fit"),
        (lambda: DeepLinearTwin.aligned([1.0], np.eye(2), depth=0), ValueError, "depth must be at least 1"),
        (
            lambda: DeepLinearTwin.aligned([1.0], np.eye(2), depth=2, initial_gain=-1.0, tied=True),
            ValueError,
            "use tied=False",
        ),
        (lambda: DeepLinearTwin([1.0], [np.eye(2)], depth=2), ValueError, "2 layers, got 1"),
        (lambda: DeepLinearTwin([1.0], [np.eye(2)] * 2, depth=2, tied=True), ValueError, "one tied layer"),
        (lambda: DeepLinearTwin([1.0], [np.eye(2), np.eye(3)], depth=2), ValueError, "one size"),
        (lambda: FullConvolutionTwin.aligned([1.0], (2, 2, 2)), ValueError, "one channel"),
        (lambda: FullConvolutionTwin([1.0], (4,), np.zeros(3)), ValueError, "initial_filter"),
        (lambda: TwoLayerConvolutionTwin.aligned([1.0], (4,), -0.1), ValueError, "no negative gain"),
        (lambda: PatchConvolutionTwin([1.0], (4,), [0.0, 1.0]), TypeError, "whole numbers"),
        (lambda: PatchConvolutionTwin([1.0], (4, 4), [0, 1]), ValueError, r"\(K, 2\) on an image"),
        (lambda: PatchConvolutionTwin([1.0], (4,), [0, 4]), ValueError, "fit in the grid"),
        (lambda: PatchConvolutionTwin([1.0], (4,), [0, -1, 3]), ValueError, "once each"),
        (lambda: PatchConvolutionTwin([1.0], (4,), [1, 2]), ValueError, "must contain 0"),
        (lambda: ToeplitzConvolutionTwin([1.0], 4, [0.0]), TypeError, "whole numbers"),
        (lambda: ToeplitzConvolutionTwin([1.0], 4, [0, -4]), ValueError, "between -3 and 3"),
        (lambda: ToeplitzConvolutionTwin([1.0], 4, [0, 0]), ValueError, "distinct"),
    ],
)
def test_bad_starts_are_refused(make, error, match) -> None:
    with pytest.raises(error, match=match):
        make()
