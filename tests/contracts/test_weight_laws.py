"""What every law of whole weight matrices must satisfy. Registering a law in ``dynamics.WEIGHT_LAWS`` and
naming examples here buys every test."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from scorelens import dynamics
from scorelens.core.denoiser import Denoiser
from scorelens.core.noise_level import LogNormal
from scorelens.dynamics import (
    DenseOneLayer,
    PatchConvolution,
    SpectralMatrixLaw,
    ToeplitzConvolution,
    TwoLayerOverlaps,
)

RNG = np.random.default_rng(5)


def _covariance(d):
    root = RNG.standard_normal((d, d))
    return root @ root.T / d + 0.05 * np.eye(d)


SIGMA, OTHER = _covariance(3), _covariance(3)
MEAN, START = np.array([0.8, -0.5, 1.5]), 0.4 * RNG.standard_normal((3, 3))
EXAMPLES = {
    DenseOneLayer: [
        DenseOneLayer(SIGMA),
        DenseOneLayer(SIGMA, MEAN, START, np.array([0.3, 0.0, -0.2])),
        DenseOneLayer(np.diag([2.0, 2.0, 0.0]), np.array([3.0, 1.0, 0.5]), START),
    ],
    SpectralMatrixLaw: [SpectralMatrixLaw(SIGMA, OTHER, LogNormal(-1.0, 1.0), initial_weight=0.2)],
    TwoLayerOverlaps: [
        TwoLayerOverlaps(SIGMA[:2, :2], np.array([[0.5, 0.1], [-0.3, 0.4]])),
        TwoLayerOverlaps(SIGMA, np.array([[0.5], [0.2], [-0.4]])),
    ],
    PatchConvolution: [
        PatchConvolution([2.0, 1.0, 0.3, 0.1, 0.3, 1.0], [-1, 0, 1], [0.1, 0.3, -0.2]),
        PatchConvolution([[2.0, 0.9, 0.9], [0.7, 0.5, 0.4], [0.7, 0.4, 0.5]], [[0, 0], [0, 1], [1, 0]]),
    ],
    ToeplitzConvolution: [ToeplitzConvolution(SIGMA, [-1, 0, 1], [0.1, 0.3, -0.2])],
}
LAWS = [law for member in dynamics.WEIGHT_LAWS for law in EXAMPLES.get(member, [])]
every_law = pytest.mark.parametrize("law", LAWS, ids=[f"{law.name}-{i}" for i, law in enumerate(LAWS)])
LEVELS = (0.05, 0.6, 9.0)


def test_every_law_is_tested():
    assert set(EXAMPLES) == set(dynamics.WEIGHT_LAWS)


@every_law
def test_facts_are_stated(law):
    assert law.name
    assert law.equation
    assert law.reference


@every_law
def test_shapes_and_dtype(law):
    parameters = law.parameters(0.6, 1)
    assert parameters.shape == law.start(0.6).shape == law.rate(parameters, 0.6).shape
    assert law.weight(parameters).shape == (law.dim, law.dim)
    assert law.bias(parameters).shape == (law.dim,)
    assert parameters.dtype == law.weight_at(np.float32(0.6), np.float32(1)).dtype == np.float64


@every_law
@pytest.mark.parametrize("sigma", LEVELS)
def test_time_zero_is_the_start(law, sigma):
    np.testing.assert_allclose(law.parameters(sigma, 0.0), law.start(sigma), rtol=1e-12, atol=1e-14)
    law.start(sigma)[...] = 7.0
    assert not np.any(law.start(sigma) == 7.0)


@every_law
@pytest.mark.parametrize("sigma", LEVELS)
def test_infinite_time_is_the_limit_and_rests(law, sigma):
    late, limit = law.parameters(sigma, 1e10), law.limit(sigma)
    np.testing.assert_allclose(law.weight(late), law.weight(limit), atol=1e-9)
    np.testing.assert_allclose(law.bias(late), law.bias(limit), atol=1e-12)
    moving = np.abs(law.rate(law.start(sigma), sigma)).max()
    assert np.abs(law.rate(limit, sigma)).max() < 1e-12 * moving


@every_law
@pytest.mark.parametrize("sigma", LEVELS)
def test_time_is_a_semigroup(law, sigma):
    halfway = law.parameters(sigma, 0.3)
    in_two, at_once = law.evolve(halfway, sigma, 1.9), law.parameters(sigma, 2.2)
    np.testing.assert_allclose(in_two, at_once, rtol=1e-10, atol=1e-13)


@every_law
def test_parameters_move_at_their_rate(law):
    sigma, time, step = 0.6, 0.4, 1e-4
    ahead, behind = (law.parameters(sigma, time + s) for s in (step, -step))
    rate = law.rate(law.parameters(sigma, time), sigma)
    np.testing.assert_allclose((ahead - behind) / (2 * step), rate, atol=1e-5 * np.abs(rate).max())


@every_law
@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_parameters_are_the_solution_of_their_ode(law, sigma):
    start, end = law.start(sigma), 0.9
    ode = solve_ivp(
        lambda _, p: law.rate(p.reshape(start.shape), sigma).ravel(),
        (0.0, end),
        start.ravel(),
        "DOP853",
        rtol=1e-12,
        atol=1e-14,
    )
    expected = ode.y[:, -1].reshape(start.shape)
    np.testing.assert_allclose(law.parameters(sigma, end), expected, atol=1e-10)
    assert np.abs(expected - start).max() > 0.005


@every_law
def test_generated_moments_solve_the_sampling_ode(law):
    """Mean and covariance themselves, by another integrator than that of their linear map ((4.4))."""
    time, low, high, d = 0.7, 0.2, 4.0, law.dim

    def drift(log_sigma, flat):
        mean, covariance = flat[:d], flat[d:].reshape(d, d)
        weight, bias = law.affine_at(float(np.exp(log_sigma)), time)
        away = np.eye(d) - weight
        return np.concatenate([away @ mean - bias, (away @ covariance + covariance @ away.T).ravel()])

    start = np.concatenate([np.zeros(d), high**2 * np.eye(d).ravel()])
    ode = solve_ivp(drift, (np.log(high), np.log(low)), start, "DOP853", rtol=1e-9, atol=1e-10)
    mean, covariance = law.generated_moments(time, low, high)
    np.testing.assert_allclose(mean, ode.y[:d, -1], atol=1e-7)
    np.testing.assert_allclose(covariance.ravel(), ode.y[d:, -1], atol=1e-7)
    np.testing.assert_array_equal(mean, law.generated_mean(time, low, high))
    np.testing.assert_allclose(covariance, law.generated_covariance(time, low, high), atol=1e-12)
    np.testing.assert_array_equal(covariance, covariance.T)


@every_law
def test_denoiser_applies_the_weights(law):
    denoiser = law.denoiser(0.7)
    assert isinstance(denoiser, Denoiser)
    shape = denoiser.event_shape if hasattr(denoiser, "event_shape") else (law.dim,)
    x = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    out = denoiser(x, torch.tensor([0.6, 2.0, 0.6], dtype=torch.float64)).flatten(1).numpy()
    for row, sigma in enumerate((0.6, 2.0, 0.6)):
        weight, bias = law.affine_at(sigma, 0.7)
        np.testing.assert_allclose(out[row], weight @ x[row].flatten().numpy() + bias, atol=1e-12)


@every_law
def test_bad_input_is_refused(law):
    for sigma in (0.0, -1.0, np.nan, np.ones(2)):
        with pytest.raises(ValueError, match="sigma"):
            law.weight_at(sigma, 1.0)
        with pytest.raises(ValueError, match="sigma"):
            law.limit(sigma)
    for time in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="flow_time"):
            law.parameters(1.0, time)
        with pytest.raises(ValueError, match="flow_time"):
            law.generated_moments(time, 0.1, 1.0)
        with pytest.raises(ValueError, match="flow_time"):
            law.denoiser(time)
    for low, high in ((0.0, 1.0), (2.0, 1.0), (1.0, 1.0)):
        with pytest.raises(ValueError, match="sigma_m"):
            law.generated_covariance(1.0, low, high)


@every_law
def test_no_warning_and_no_nan_in_the_whole_box(law):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sigma in (0.002, 80.0):
            for time in (1e-8, 1.0, 1e12):
                assert np.isfinite(law.parameters(sigma, time)).all()


ROTATED = {
    DenseOneLayer: lambda r: DenseOneLayer(r @ SIGMA @ r.T, r @ MEAN, r @ START @ r.T, r @ START[0]),
    SpectralMatrixLaw: lambda r: SpectralMatrixLaw(
        r @ SIGMA @ r.T, r @ OTHER @ r.T, LogNormal(-1.0, 1.0), initial_weight=0.2
    ),
    TwoLayerOverlaps: lambda r: TwoLayerOverlaps(r @ SIGMA @ r.T, r @ START),
}


@pytest.mark.parametrize("member", ROTATED, ids=lambda member: member.name)
def test_rotating_the_data_rotates_the_weights(member):
    """Networks without built-in geometry do not know the axes; convolutions do."""
    frame = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    here, there = ROTATED[member](np.eye(3)), ROTATED[member](frame)
    weight, bias = here.affine_at(0.6, 0.8)
    np.testing.assert_allclose(there.weight_at(0.6, 0.8), frame @ weight @ frame.T, atol=1e-12)
    np.testing.assert_allclose(there.bias_at(0.6, 0.8), frame @ bias, atol=1e-12)


@pytest.mark.parametrize("member", [DenseOneLayer, TwoLayerOverlaps, ToeplitzConvolution, SpectralMatrixLaw])
@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.ones((2, 3)), r"square|\(d, d\)"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (np.diag([1.0, -0.5]), "positive semi-definite"),
        (np.full((2, 2), np.nan), "non-finite"),
    ],
)
def test_bad_covariances_are_refused(member, covariance, message):
    second = {TwoLayerOverlaps: np.eye(2), ToeplitzConvolution: [0], SpectralMatrixLaw: np.eye(2)}
    arguments = [second[member]] if member in second else []
    with pytest.raises(ValueError, match=message):
        member(covariance, *arguments)
