"""Conversions between what networks predict, and to and from a Denoiser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scorelens.core import parametrization, processes
from scorelens.core.parametrization import PredictionDenoiser, convert, predict, score
from scorelens.core.processes import NoiseProcess

PROCESSES = [member() for member in processes.ALL]
KINDS = [member() for member in parametrization.ALL]
every_process = pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.name)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)

numbers = st.floats(-50, 50)


def state(process: NoiseProcess, time: float, x0: float, noise: float):
    at = process.coefficients(time)
    return at, np.array([[x0]]), np.array([[at.alpha * x0 + at.std * noise]])


def truth(at, x0, noise):
    """Each prediction from its definition, in terms of data and noise, not of x_t."""
    return {
        "x0": x0,
        "noise": noise,
        "v": at.alpha * noise - at.std * x0,
        "score": -noise / at.std,
        # x_t = alpha x0 + std n along a path: alpha' = f alpha, (std^2)' = 2 f std^2 + g^2
        "velocity": at.drift * at.alpha * x0 + (at.drift * at.std + at.diffusion**2 / (2 * at.std)) * noise,
    }


@every_process
@settings(max_examples=40, deadline=None)
@given(time=st.floats(0.02, 0.95), x0=numbers, noise=numbers)
def test_every_conversion_follows_from_the_definitions(process, time, x0, noise) -> None:
    at, _, x = state(process, time, x0, noise)
    exact = truth(at, x0, noise)
    for source in KINDS:
        for target in KINDS:
            made = convert(np.array([[exact[source.name]]]), x, at, source, target)
            size = max(abs(v) for v in (x0, noise, 1.0)) / min(at.alpha, at.std) ** 2
            slope = abs(at.drift) + at.diffusion**2 + 1
            np.testing.assert_allclose(made, exact[target.name], atol=1e-11 * size * slope)


@every_process
@every_kind
@settings(max_examples=15, deadline=None)
@given(time=st.floats(0.1, 0.9), x0=st.floats(-3, 3), noise=st.floats(-3, 3))
def test_round_trip_through_clean_data(process, kind, time, x0, noise) -> None:
    at, clean, x = state(process, time, x0, noise)
    prediction = kind.from_x0(clean, x, at)
    np.testing.assert_allclose(kind.to_x0(prediction, x, at), clean, atol=1e-10)


def test_flow_velocity_is_noise_minus_data() -> None:
    at, clean, x = state(processes.FlowMatching(), 0.7, x0=2.0, noise=-1.0)
    np.testing.assert_allclose(parametrization.Velocity().from_x0(clean, x, at), -3.0, rtol=1e-13)


@every_process
def test_velocity_is_the_probability_flow(process: NoiseProcess) -> None:
    at, clean, x = state(process, 0.5, x0=1.5, noise=0.4)
    by_score = at.drift * x - 0.5 * at.diffusion**2 * parametrization.Score().from_x0(clean, x, at)
    np.testing.assert_allclose(parametrization.Velocity().from_x0(clean, x, at), by_score, rtol=1e-12)


@every_process
@every_kind
def test_no_noise_is_refused_where_a_conversion_divides_by_it(process, kind) -> None:
    at, x = process.coefficients(0.0), np.ones((1, 2))
    if kind.divides_from_x0:
        with pytest.raises(ValueError, match=r"needs std > 0, got 0; there is no noise there"):
            kind.from_x0(x, x, at)
    else:
        assert kind.from_x0(x, x, at) is x


@every_kind
def test_no_data_is_refused_where_a_conversion_divides_by_it(kind) -> None:
    at = processes.Coefficients(np.float64(0.0), np.float64(1.0), np.float64(-1.0), np.float64(1.0))
    x = np.ones((1, 2))
    if "alpha" in kind.divides_to_x0:
        with pytest.raises(ValueError, match="nothing of the data is left"):
            kind.to_x0(x, x, at)
    else:
        assert np.isfinite(kind.to_x0(x, x, at)).all()


def test_levels_per_row_reach_their_rows() -> None:
    process = processes.VariancePreserving()
    times, x = torch.tensor([0.2, 0.8], dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)
    together = convert(x + 1, x, process.coefficients(times), parametrization.Noise(), parametrization.V())
    for row, time in enumerate(times):
        at = process.coefficients(time)
        alone = convert(
            x[row : row + 1] + 1, x[row : row + 1], at, parametrization.Noise(), parametrization.V()
        )
        torch.testing.assert_close(together[row : row + 1], alone)


def test_levels_of_another_shape_are_refused() -> None:
    at = processes.VariancePreserving().coefficients(np.array([0.2, 0.3, 0.4]))
    with pytest.raises(ValueError, match=r"one entry per row of x, shape \(2,\); got \(3,\)"):
        convert(np.ones((2, 3)), np.ones((2, 3)), at, parametrization.Noise(), parametrization.V())


def wiener(variance: float):
    """Optimal denoiser of centred Gaussian data, per coordinate."""

    def denoise(x, sigma):
        level = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
        return variance / (variance + level**2) * x

    return denoise


def test_score_of_a_gaussian_is_exact() -> None:
    # data variance 0.7 plus noise: the density is N(0, 0.7 + sigma^2)
    x, sigma = (
        torch.randn(4, 3, dtype=torch.float64),
        torch.tensor([0.1, 1.0, 3.0, 80.0], dtype=torch.float64),
    )
    torch.testing.assert_close(score(wiener(0.7), x, sigma), -x / (0.7 + sigma[:, None] ** 2))


def test_score_at_zero_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="the score is singular at zero noise"):
        score(wiener(1.0), torch.ones(2, 2), torch.tensor([1.0, 0.0]))


@every_process
def test_predicted_score_of_a_gaussian_is_that_of_the_process(process: NoiseProcess) -> None:
    # x_t of Gaussian data is Gaussian with variance alpha^2 0.7 + std^2
    time = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    x, at = torch.randn(3, 2, dtype=torch.float64), process.coefficients(time)
    exact = -x / (at.alpha**2 * 0.7 + at.std**2)[:, None]
    torch.testing.assert_close(predict(wiener(0.7), x, process, time, parametrization.Score()), exact)


@every_process
@every_kind
def test_a_denoiser_survives_the_way_out_and_back(process, kind) -> None:
    denoiser = wiener(0.7)
    made = PredictionDenoiser(lambda x, time: predict(denoiser, x, process, time, kind), process, kind)
    x, sigma = (
        torch.randn(4, 3, dtype=torch.float64),
        torch.tensor([0.05, 0.5, 2.0, 20.0], dtype=torch.float64),
    )
    torch.testing.assert_close(made(x, sigma), denoiser(x, sigma), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(made(x, 0.5), denoiser(x, 0.5), rtol=1e-8, atol=1e-8)
    assert made(x.float(), 0.5).dtype == torch.float32


def test_the_model_sees_the_process_time_and_its_scale() -> None:
    seen = {}

    def model(x, time):
        seen["x"], seen["time"] = x, time
        return x

    PredictionDenoiser(model, processes.FlowMatching(), parametrization.CleanData())(torch.ones(2, 3), 3.0)
    assert seen["time"].tolist() == [0.75, 0.75]
    assert seen["x"].tolist() == [[0.25] * 3] * 2


def test_a_level_that_the_process_does_not_reach_is_refused() -> None:
    made = PredictionDenoiser(lambda x, time: x, processes.VariancePreserving(), parametrization.Noise())
    with pytest.raises(ValueError, match="sigma of the vp process"):
        made(torch.ones(1, 2), 1e6)


def test_conversions_are_differentiable() -> None:
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    predict(wiener(0.7), x, processes.Cosine(), 0.4, parametrization.V()).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_every_parametrization_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text()
    for kind in KINDS:
        assert f"`{kind.name}`" in page
