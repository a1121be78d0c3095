"""Twins trained by gradient descent follow their laws, to first order in the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch

from scorelens import dynamics
from scorelens.core.denoiser import Denoiser
from scorelens.core.sigma_grid import karras
from scorelens.dynamics import (
    AsymmetricTwoLayer,
    DeepLinear,
    DeepResidual,
    DenseOneLayer,
    FlowOneLayer,
    FlowTwoLayer,
    FullConvolution,
    GainLaw,
    HeunSampler,
    OneLayer,
    PatchConvolution,
    ResidualOneLayer,
    SymmetricTwoLayer,
    ToeplitzConvolution,
    TwoLayerOverlaps,
    WeightLaw,
)
from scorelens.networks import twins
from scorelens.sampling import sample
from scorelens.training import descend

SIGMAS = karras(6, 0.15, 1.2)
MODES = np.array([2.0, 0.8, 0.2, 0.0])
FRAME = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))[0]
COVARIANCE = FRAME @ np.diag(MODES) @ FRAME.T
MEAN = np.array([0.6, -0.3, 0.0, 0.2])
GAINS = np.array([0.05, 0.3, 0.6, 1.2])
LINE, IMAGE = (7,), (3, 4)


@dataclass(frozen=True, eq=False)
class Pair:
    """A twin, built anew at each call, and what its law says of it: matrices and biases at a noise level
    and a flow time, and mean and covariance ``(1 + d, d)`` that Heun's sampler generates on ``SIGMAS``.

    ``pace`` is how much faster than one layer it learns: it is trained for that much less time.
    """

    law: GainLaw | WeightLaw
    build: Callable[[], twins.Twin]
    covariance: np.ndarray
    expected: Callable[[float, float], tuple[np.ndarray, np.ndarray]]
    generated: Callable[[float], np.ndarray]
    pace: float = 1.0
    mean: np.ndarray | None = None


def aligned(law: GainLaw, build: Callable[[], twins.Twin], pace: float = 1.0) -> Pair:
    """A law of gains along ``FRAME``, on centred data."""

    def expected(sigma: float, flow_time: float) -> tuple[np.ndarray, np.ndarray]:
        return FRAME @ np.diag(law.gain(MODES, sigma**2, flow_time)) @ FRAME.T, np.zeros(4)

    def generated(flow_time: float) -> np.ndarray:
        variance = np.exp(HeunSampler(SIGMAS).log_variance(law, MODES, flow_time))
        return np.vstack([np.zeros(4), FRAME @ np.diag(variance) @ FRAME.T])

    return Pair(law, build, COVARIANCE, expected, generated, pace)


def convolved(
    grid: tuple[int, ...], inner: GainLaw, twin: type[twins.Twin], gain: float, pace: float
) -> Pair:
    """A law of gains of Fourier modes, on data that are not stationary."""
    covariance = uneven_covariance(int(np.prod(grid)))
    power = dynamics.fourier_variance(dynamics.autocovariance(covariance, grid))
    law = FullConvolution(power.size, inner)

    def expected(sigma: float, flow_time: float) -> tuple[np.ndarray, np.ndarray]:
        return circulant(law.gain(power, sigma**2, flow_time)), np.zeros(power.size)

    def generated(flow_time: float) -> np.ndarray:
        variance = np.exp(HeunSampler(SIGMAS).log_variance(law, power, flow_time))
        return np.vstack([np.zeros(power.size), circulant(variance)])

    def build() -> twins.Twin:
        return twin.aligned(SIGMAS, grid, gain)

    return Pair(law, build, covariance, expected, generated, pace * power.size)


def of_weights(
    law: WeightLaw,
    build: Callable[[], twins.Twin],
    covariance: np.ndarray,
    pace: float = 1.0,
    mean: np.ndarray | None = None,
) -> Pair:
    """A law of whole matrices; its own Denoiser, sampled on the grid, says what is generated."""
    event = getattr(law, "grid", (law.dim,))

    def generated(flow_time: float) -> np.ndarray:
        return sampled_moments(law.denoiser(flow_time), event)

    return Pair(law, build, covariance, law.affine_at, generated, pace, mean)


def sampled_moments(denoiser: Denoiser, event: tuple[int, ...]) -> np.ndarray:
    """Mean and covariance ``(1 + d, d)`` of what Heun's sampler makes with an affine denoiser, exactly: from
    its response to nothing and to unit vectors."""
    dim = int(np.prod(event))
    noise = torch.cat([torch.zeros(1, dim), torch.eye(dim)]).double()
    made = sample(denoiser, noise.reshape(-1, *event), SIGMAS).reshape(-1, dim).numpy()
    response = made[1:] - made[0]
    return np.vstack([made[0], response.T @ response])


def circulant(spectrum: np.ndarray) -> np.ndarray:
    """The symmetric circular convolution with these real eigenvalues, ``(N, N)``."""
    filter_, axes = np.fft.ifftn(spectrum).real, tuple(range(spectrum.ndim))
    return np.stack([np.roll(filter_, pixel, axes).ravel() for pixel in np.ndindex(spectrum.shape)])


def uneven_covariance(dim: int) -> np.ndarray:
    """Smooth data whose variance differs between pixels."""
    place = np.arange(dim)
    size = 0.4 + 0.6 * np.sin(1.0 + place) ** 2
    return np.outer(size, size) * np.exp(-0.4 * np.abs(place[:, None] - place))


def random_filter(shape: tuple[int, ...]) -> np.ndarray:
    return 0.2 * np.random.default_rng(8).normal(size=shape)


def patched(grid: tuple[int, ...], offsets: list) -> Pair:
    covariance = uneven_covariance(int(np.prod(grid)))
    start = random_filter((len(offsets),))
    law = PatchConvolution(dynamics.autocovariance(covariance, grid), offsets, start)
    build = lambda: twins.PatchConvolutionTwin(SIGMAS, grid, offsets, start)  # noqa: E731
    return of_weights(law, build, covariance, pace=float(law.dim))


def _dense() -> list[Pair]:
    weight, bias = random_filter((4, 4)), np.array([0.3, 0.0, -0.2, 0.1])
    factor = random_filter((4, 4))
    offsets, line = [-2, -1, 0, 3], uneven_covariance(6)
    return [
        aligned(OneLayer(GAINS - 0.4), lambda: twins.OneLayerTwin.aligned(SIGMAS, FRAME, GAINS - 0.4)),
        of_weights(
            DenseOneLayer(COVARIANCE, MEAN, weight, bias),
            lambda: twins.OneLayerTwin(SIGMAS, weight, bias),
            COVARIANCE,
            mean=MEAN,
        ),
        aligned(
            ResidualOneLayer(0.4, -1.5, GAINS),
            lambda: twins.ResidualOneLayerTwin.aligned(
                SIGMAS, FRAME, skip=0.4, output=-1.5, initial_weight=GAINS
            ),
            pace=2.0,
        ),
        aligned(
            SymmetricTwoLayer(GAINS), lambda: twins.SymmetricTwoLayerTwin.aligned(SIGMAS, FRAME, GAINS), 5.0
        ),
        of_weights(
            TwoLayerOverlaps(COVARIANCE, factor),
            lambda: twins.SymmetricTwoLayerTwin(SIGMAS, factor),
            COVARIANCE,
            pace=3.0,
        ),
        aligned(
            AsymmetricTwoLayer(GAINS, [0.4, -0.1, 0.6, -0.9]),
            lambda: twins.AsymmetricTwoLayerTwin.aligned(SIGMAS, FRAME, GAINS, [0.4, -0.1, 0.6, -0.9]),
            pace=3.0,
        ),
        of_weights(
            ToeplitzConvolution(line, offsets, random_filter((4,))),
            lambda: twins.ToeplitzConvolutionTwin(SIGMAS, 6, offsets, random_filter((4,))),
            line,
            pace=6.0,
        ),
    ]


def _deep() -> list[Pair]:
    plain = [(1, False), (2, True), (3, False), (3, True), (4, True)]
    residual = [(2, True), (3, False), (3, True)]
    layers = np.array([-0.6, -0.4, -0.2, 0.1])
    deep = [
        aligned(
            DeepLinear(depth, GAINS, tied),
            lambda d=depth, t=tied: twins.DeepLinearTwin.aligned(
                SIGMAS, FRAME, depth=d, initial_gain=GAINS, tied=t
            ),
            pace=1.5 * (depth**2 if tied else depth),
        )
        for depth, tied in plain
    ]
    return deep + [
        aligned(
            DeepResidual(depth, layers, tied),
            lambda d=depth, t=tied: twins.DeepResidualTwin.aligned(
                SIGMAS, FRAME, depth=d, initial_layer=layers, tied=t
            ),
            pace=1.5 * (depth**2 if tied else depth),
        )
        for depth, tied in residual
    ]


def _flows() -> list[Pair]:
    return [
        aligned(
            FlowOneLayer(GAINS - 0.4), lambda: twins.FlowOneLayerTwin.aligned(SIGMAS, FRAME, GAINS - 0.4)
        ),
        aligned(FlowTwoLayer(GAINS), lambda: twins.FlowTwoLayerTwin.aligned(SIGMAS, FRAME, GAINS), 5.0),
    ]


PAIRS = [
    *_dense(),
    *_deep(),
    *_flows(),
    *(convolved(grid, OneLayer(0.3), twins.FullConvolutionTwin, 0.3, 1.0) for grid in (LINE, IMAGE)),
    *(
        convolved(grid, SymmetricTwoLayer(0.2), twins.TwoLayerConvolutionTwin, 0.2, 5.0)
        for grid in (LINE, IMAGE)
    ),
    patched(LINE, [-1, 0, 2]),
    patched(IMAGE, [[0, 0], [0, 1], [-1, 0], [1, 1]]),
]

TIMES = np.array([0.15, 0.5, 1.5])
STEPS = 100
"""Coarse steps per unit of flow time and pace."""
IDS = [f"{pair.law.name}-{index}" for index, pair in enumerate(PAIRS)]
every_pair = pytest.mark.parametrize("index", range(len(PAIRS)), ids=IDS)


class Trained(NamedTuple):
    """Matrices ``(times, s, d, d)`` and biases ``(times, s, d)`` on the way; what is sampled at the end."""

    weights: np.ndarray
    biases: np.ndarray
    sampled: np.ndarray


@cache
def trained(index: int, refinement: int) -> Trained:
    pair, twin = PAIRS[index], PAIRS[index].build()
    steps = np.rint(TIMES * STEPS * refinement).astype(int)
    rate = 0.5 / (STEPS * refinement * pair.pace)
    record = descend(
        twin, pair.covariance, pair.mean, learning_rate=rate, n_steps=int(steps[-1]), record=steps.tolist()
    )
    np.testing.assert_allclose(record.flow_times, TIMES / pair.pace, rtol=1e-12)
    return Trained(record.weights, record.biases, sampled_moments(twin, (twin.dim,)))


def said_by_the_law(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    rows = [[pair.expected(float(s), float(t) / pair.pace) for s in SIGMAS] for t in TIMES]
    weights, biases = ([[point[part] for point in row] for row in rows] for part in (0, 1))
    return np.array(weights), np.array(biases)


def test_every_twin_is_paired_with_the_law_it_names() -> None:
    known = {law.name for law in (*dynamics.ALL, *dynamics.WEIGHT_LAWS)}
    assert {twin.law for twin in twins.ALL} <= known
    paired = {(type(pair.build()), pair.law.name) for pair in PAIRS}
    assert {(twin, twin.law) for twin in twins.ALL} <= paired


@every_pair
def test_gradient_descent_follows_the_law_to_first_order(index: int) -> None:
    weights, biases = said_by_the_law(PAIRS[index])
    coarse, fine = trained(index, 1), trained(index, 2)
    check_first_order(coarse.weights, fine.weights, weights)
    if biases.any():
        check_first_order(coarse.biases, fine.biases, biases)
    else:
        assert not fine.biases.any()


@every_pair
def test_a_sampled_twin_generates_what_the_law_says_on_its_grid(index: int) -> None:
    pair = PAIRS[index]
    expected = pair.generated(float(TIMES[-1]) / pair.pace)[None]
    check_first_order(trained(index, 1).sampled[None], trained(index, 2).sampled[None], expected)


def check_first_order(coarse: np.ndarray, fine: np.ndarray, expected: np.ndarray) -> None:
    """Half the step halves the largest error at each time, and extrapolation to no step leaves next to
    none."""
    error, halved, extrapolated = (
        np.abs(made - expected).reshape(len(made), -1).max(axis=1)
        for made in (coarse, fine, 2.0 * fine - coarse)
    )
    assert np.all(error > 1e-6)
    np.testing.assert_allclose(error / halved, 2.0, atol=0.05)
    assert np.all(extrapolated < 1e-4)
    assert np.all(extrapolated < 0.02 * error)


def test_both_layers_of_an_untied_pair_follow_the_law() -> None:
    law = AsymmetricTwoLayer(GAINS, -0.3)
    found = []
    for refinement in (1, 2):
        twin = twins.AsymmetricTwoLayerTwin.aligned(SIGMAS, FRAME, GAINS, -0.3)
        descend(twin, COVARIANCE, learning_rate=0.005 / refinement, n_steps=50 * refinement)
        first, second = (layer.detach().numpy() for layer in twin.layers)
        along = np.einsum("ki,ski->si", FRAME, first), np.einsum("sik,ki->si", second, FRAME)
        found.append(np.array(along))
    expected = np.array(law.layers(MODES, SIGMAS[:, None] ** 2, 0.5))
    check_first_order(found[0], found[1], expected)


def test_an_asymmetric_full_filter_follows_its_complex_spectrum() -> None:
    start, covariance = random_filter(IMAGE), uneven_covariance(12)
    power = dynamics.fourier_variance(dynamics.autocovariance(covariance, IMAGE))
    found = []
    for refinement in (1, 2):
        twin = twins.FullConvolutionTwin(SIGMAS, IMAGE, start)
        descend(twin, covariance, learning_rate=0.005 / 12 / refinement, n_steps=50 * refinement)
        found.append(twin.transfer().detach().numpy())
    expected = np.array([dynamics.full_filter_spectrum(start, power, float(s), 0.5 / 12) for s in SIGMAS])
    assert np.abs(expected.imag).max() > 0.05
    check_first_order(found[0], found[1], expected)


@pytest.mark.parametrize("member", twins.ALL)
def test_descent_on_exact_moments_is_descent_on_raw_samples(member: type[twins.Twin]) -> None:
    pair = next(pair for pair in PAIRS if isinstance(pair.build(), member))
    exact, raw = pair.build(), pair.build()
    draws = np.random.default_rng(4).exponential(size=(40, exact.dim))
    samples = torch.tensor(draws @ np.linalg.cholesky(pair.covariance + 0.1 * np.eye(exact.dim)).T)
    moments = np.cov(samples.numpy().T, bias=True), samples.numpy().mean(0)
    rate = 0.005 / pair.pace
    descend(exact, *moments, learning_rate=rate, n_steps=4)
    for _ in range(4):
        total = sum(raw_loss(raw, samples, float(sigma)) for sigma in SIGMAS)
        gradients = torch.autograd.grad(total, list(raw.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(raw.parameters(), gradients, strict=True):
                parameter -= rate * gradient
    before = pair.build().matrix().detach().numpy()
    moved, expected = (twin.matrix().detach().numpy() - before for twin in (raw, exact))
    np.testing.assert_allclose(moved, expected, rtol=0.0, atol=1e-12 * np.abs(expected).max())
    torch.testing.assert_close(raw.bias(), exact.bias(), rtol=1e-12, atol=1e-14)


def raw_loss(twin: twins.Twin, samples: torch.Tensor, sigma: float) -> torch.Tensor:
    """Mean over samples and noise of the squared error of what the twin denoises, summed over coordinates.

    The noise takes ``2 d`` values, a rule that is exact for quadratic functions of normal noise. A flow's
    velocity errs by ``1 / (1 - t)`` times as much as its denoiser.
    """
    noise = torch.cat([torch.eye(twin.dim), -torch.eye(twin.dim)]).double() * twin.dim**0.5
    noisy = samples[:, None] + sigma * noise
    error = twin(noisy.flatten(0, 1), sigma).view_as(noisy) - samples[:, None]
    scale = (1.0 + sigma) / sigma if twin.loss == "flow-matching" else 1.0
    return scale**2 * error.square().sum(-1).mean()
