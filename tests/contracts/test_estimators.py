"""What every closed-form estimator must be; registering an estimator buys these tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from scorelens import estimators
from scorelens.core.denoiser import Denoiser
from scorelens.estimators import (
    Estimator,
    FittedDenoiser,
    WithEnergy,
    WithJacobian,
    WithLogProb,
    WithPosteriorCovariance,
)

#: Settings that make a member fit the small data set of this file, where its defaults would not.
SETTINGS: dict[str, dict] = {}
#: Event shapes of members that need another one than (2, 3).
EVENT_SHAPES: dict[str, tuple[int, ...]] = {}
SIGMAS = (0.05, 0.7, 20.0)
N_SAMPLES = 60


@dataclasses.dataclass(frozen=True)
class NearestPoints(estimators.Empirical):
    """Another setting of a member, held to what must be true of every denoiser."""

    neighbours: int | None = 45
    name: ClassVar[str] = "empirical, nearest points"


CASES = (*estimators.ALL, NearestPoints)
every_estimator = pytest.mark.parametrize("member", CASES, ids=lambda member: member.name)
every_member = pytest.mark.parametrize("member", estimators.ALL, ids=lambda member: member.name)
every_sigma = pytest.mark.parametrize("sigma", SIGMAS)


def data(member: type[Estimator]) -> np.ndarray:
    """Events of unequal variances around a mean away from zero."""
    shape = EVENT_SHAPES.get(member.name, (2, 3))
    generator = np.random.default_rng(5)
    spread = np.linspace(0.3, 1.5, int(np.prod(shape))).reshape(shape)
    return generator.standard_normal((N_SAMPLES, *shape)) * spread + 0.7


@cache
def fitted(member: type[Estimator]) -> FittedDenoiser:
    return member(**SETTINGS.get(member.name, {})).fit(data(member))


def noisy(member: type[Estimator], sigma: float, n: int = 5) -> Tensor:
    clean = torch.tensor(data(member)[:n])
    return clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(3)).double()


def offering(capability: type[FittedDenoiser], among: tuple[type[Estimator], ...] = CASES) -> Callable:
    members = [member for member in among if issubclass(member.fitted, capability)]
    return pytest.mark.parametrize("member", members, ids=lambda member: member.name)


def jacobian_by_autograd(denoiser: FittedDenoiser, x: Tensor, sigma: float) -> Tensor:
    d = denoiser.dim
    rows = [torch.autograd.functional.jacobian(lambda e: denoiser(e[None], sigma), e) for e in x]
    return torch.stack([row.reshape(d, d) for row in rows])


@every_estimator
def test_settings_are_frozen_facts(member: type[Estimator]) -> None:
    estimator = member(**SETTINGS.get(member.name, {}))
    assert dataclasses.is_dataclass(estimator)
    assert all((member.name, member.reference, member.equation))
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimator.name = "another"  # pyright: ignore[reportAttributeAccessIssue]


def test_names_are_unique() -> None:
    names = [member.name for member in estimators.ALL]
    assert len(set(names)) == len(names)
    classes = {member.fitted for member in estimators.ALL}
    assert len({cls.name for cls in classes}) == len(classes)


@every_estimator
def test_fit_gives_a_frozen_denoiser(member: type[Estimator]) -> None:
    denoiser = fitted(member)
    assert type(denoiser) is member.fitted
    assert isinstance(denoiser, Denoiser)
    assert not denoiser.training
    assert not list(denoiser.parameters())
    assert not any(buffer.requires_grad for buffer in denoiser.buffers())
    assert denoiser.event_shape == data(member).shape[1:]


@every_estimator
@every_sigma
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_result_has_shape_and_dtype_of_x(member: type[Estimator], sigma: float, dtype) -> None:
    denoiser, x = fitted(member), noisy(member, sigma).to(dtype)
    for result in (denoiser(x, sigma), denoiser.denoise(x, sigma), denoiser.score(x, sigma)):
        assert result.shape == x.shape
        assert result.dtype == dtype
        assert torch.isfinite(result).all()


@every_estimator
@every_sigma
def test_single_and_double_precision_agree(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma).float()
    torch.testing.assert_close(denoiser(x, sigma).double(), denoiser(x.double(), sigma), rtol=2e-3, atol=2e-4)


@every_estimator
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(member: type[Estimator], dtype: torch.dtype) -> None:
    denoiser, half = fitted(member), noisy(member, 0.7).to(dtype)
    for sigma in (1e-9, 0.7, 1e5, torch.tensor(1e5, dtype=torch.float64)):
        result = denoiser(half, sigma)
        assert result.dtype == dtype
        assert torch.equal(result, denoiser(half.float(), sigma).to(dtype))
    assert torch.equal(denoiser.score(half, 0.7), denoiser.score(half.float(), 0.7).to(dtype))
    seen = torch.func.vjp(lambda e: denoiser(e, 0.7), half)[1](torch.ones_like(half))[0]
    assert seen.dtype == dtype


@every_estimator
def test_float32_data_fit_the_same_denoiser(member: type[Estimator]) -> None:
    single = torch.tensor(data(member), dtype=torch.float32)
    again, x = member(**SETTINGS.get(member.name, {})).fit(single), noisy(member, 0.7)
    torch.testing.assert_close(again(x, 0.7), fitted(member)(x, 0.7), rtol=1e-3, atol=1e-3)


@every_estimator
def test_one_sigma_per_event_is_each_event_alone(member: type[Estimator]) -> None:
    denoiser, x = fitted(member), noisy(member, 0.7)
    sigma = torch.tensor([0.05, 0.3, 0.7, 0.7, 9.0], dtype=torch.float64)
    alone = torch.cat([denoiser(x[i : i + 1], float(sigma[i])) for i in range(len(x))])
    torch.testing.assert_close(denoiser(x, sigma), alone, rtol=1e-9, atol=1e-10)


@every_estimator
def test_fitting_twice_gives_the_same_denoiser(member: type[Estimator]) -> None:
    again, x = member(**SETTINGS.get(member.name, {})).fit(torch.tensor(data(member))), noisy(member, 0.7)
    assert torch.equal(again(x, 0.7), fitted(member)(x, 0.7))


@every_estimator
def test_saved_and_loaded_it_is_the_same_bit_for_bit(member: type[Estimator], tmp_path: Path) -> None:
    denoiser, x = fitted(member), noisy(member, 0.7)
    estimators.save(denoiser, tmp_path / "fit.safetensors")
    loaded = estimators.load(tmp_path / "fit.safetensors")
    assert type(loaded) is type(denoiser)
    assert loaded.event_shape == denoiser.event_shape
    assert loaded.state_dict().keys() == denoiser.state_dict().keys()
    assert torch.equal(loaded(x, 0.7), denoiser(x, 0.7))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.safetensors"]


@every_estimator
@every_sigma
def test_the_score_is_the_shift_over_the_noise_variance(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma)
    torch.testing.assert_close(denoiser.score(x, sigma), (denoiser(x, sigma) - x) / sigma**2)


@every_estimator
@pytest.mark.parametrize("sigma", [1e-6, 1e-3, 1e3])
def test_the_score_is_the_shift_to_rounding_at_any_noise(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma)
    shift = denoiser(x, sigma) - x
    rounding = 1e-13 * float(x.abs().max() + 1)
    torch.testing.assert_close(sigma**2 * denoiser.score(x, sigma), shift, rtol=1e-12, atol=rounding)


@every_member  # but not of a few neighbours: at large noise all points count
def test_far_beyond_the_data_the_mean_is_left(member: type[Estimator]) -> None:
    mean = torch.tensor(data(member)).mean(0)
    x = mean + 1e6 * torch.randn(3, *mean.shape, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(fitted(member)(x, 1e6), mean.expand_as(x), rtol=0, atol=1e-4)


@every_estimator
@every_sigma
def test_it_is_differentiable_in_x(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma)[:2]
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).double()
    step = 1e-5 * sigma
    difference = (denoiser(x + step * way, sigma) - denoiser(x - step * way, sigma)) / (2 * step)
    _, slope = torch.autograd.functional.jvp(lambda e: denoiser(e, sigma), x, way)
    torch.testing.assert_close(slope, difference, rtol=1e-5, atol=1e-6)


@every_estimator
@every_sigma
def test_transforms_of_torch_run_over_it(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma)
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).double()
    jacobian = jacobian_by_autograd(denoiser, x, sigma)
    value, pushed = torch.func.jvp(lambda e: denoiser(e, sigma), (x,), (way,))[:2]
    assert torch.equal(value, denoiser(x, sigma))
    expected = (jacobian @ way.flatten(1)[..., None]).reshape(x.shape)
    torch.testing.assert_close(pushed, expected, rtol=1e-8, atol=1e-10)
    for transform in (torch.func.jacrev, torch.func.jacfwd):
        one_by_one = torch.func.vmap(transform(lambda e: denoiser(e[None], sigma)[0]))(x)
        torch.testing.assert_close(one_by_one.reshape(jacobian.shape), jacobian, rtol=1e-8, atol=1e-10)


@every_estimator
def test_vmap_is_the_batch_and_still_refuses(member: type[Estimator]) -> None:
    denoiser, x = fitted(member), noisy(member, 0.7)
    sigma = torch.tensor([0.05, 0.3, 0.7, 0.7, 9.0], dtype=torch.float64)
    alone = torch.func.vmap(lambda e, s: denoiser.score(e[None], s)[0])
    torch.testing.assert_close(alone(x, sigma), denoiser.score(x, sigma), rtol=1e-9, atol=1e-9)
    at_levels = torch.func.vmap(lambda s: denoiser(x, s))(sigma)
    torch.testing.assert_close(at_levels[1], denoiser(x, 0.3), rtol=1e-9, atol=1e-10)
    with pytest.raises(ValueError, match="sigma must be finite and > 0"):
        alone(x, -sigma)


@offering(WithLogProb)
def test_the_hessian_of_the_log_density_is_the_jacobian_of_the_score(member: type[Estimator]) -> None:
    denoiser, x, sigma = fitted(member), noisy(member, 0.7, 2), 0.7
    assert isinstance(denoiser, WithLogProb)
    hessian = torch.func.vmap(torch.func.hessian(lambda e: denoiser.log_prob(e[None], sigma)[0]))(x)
    slope = (jacobian_by_autograd(denoiser, x, sigma) - torch.eye(denoiser.dim)) / sigma**2
    torch.testing.assert_close(hessian.reshape(slope.shape), slope, rtol=1e-7, atol=1e-8)


@offering(WithJacobian)
@every_sigma
def test_the_jacobian_is_that_of_autograd(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma)
    assert isinstance(denoiser, WithJacobian)
    by_autograd = jacobian_by_autograd(denoiser, x, sigma)
    torch.testing.assert_close(denoiser.jacobian(x, sigma), by_autograd, rtol=1e-8, atol=1e-10)


@offering(WithPosteriorCovariance)
@every_sigma
def test_the_posterior_covariance_obeys_tweedie(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma)
    assert isinstance(denoiser, WithPosteriorCovariance)
    covariance = denoiser.posterior_covariance(x, sigma)
    torch.testing.assert_close(covariance, covariance.mT, rtol=1e-10, atol=1e-12)
    expected = sigma**2 * jacobian_by_autograd(denoiser, x, sigma)  # second-order Tweedie
    torch.testing.assert_close(covariance, expected, rtol=1e-7, atol=1e-9)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-10


@offering(WithLogProb)
@every_sigma
def test_the_score_is_the_gradient_of_the_log_density(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma).requires_grad_()
    assert isinstance(denoiser, WithLogProb)
    log_prob = denoiser.log_prob(x, sigma)
    assert log_prob.shape == (len(x),)
    (gradient,) = torch.autograd.grad(log_prob.sum(), x)
    torch.testing.assert_close(gradient, denoiser.score(x.detach(), sigma), rtol=1e-7, atol=1e-8)


@offering(WithEnergy)
@every_sigma
def test_the_score_is_the_gradient_of_the_energy(member: type[Estimator], sigma: float) -> None:
    denoiser, x = fitted(member), noisy(member, sigma).requires_grad_()
    assert isinstance(denoiser, WithEnergy)
    energy = denoiser.log_density_up_to_constant(x, sigma)
    assert energy.shape == (len(x),)
    (gradient,) = torch.autograd.grad(energy.sum(), x)
    torch.testing.assert_close(gradient, denoiser.score(x.detach(), sigma), rtol=1e-7, atol=1e-8)


@offering(WithLogProb, estimators.ALL)  # but not of a few neighbours, whose density is below the true one
def test_the_density_is_normalised(member: type[Estimator]) -> None:
    # E_q[p / q] = 1 for a wide Gaussian q, drawn at a noise level where both are close to each other.
    denoiser, sigma = fitted(member), 20.0
    assert isinstance(denoiser, WithLogProb)
    mean, scale = torch.tensor(data(member)).mean(0), 20.5
    noise = torch.randn(4000, *mean.shape, generator=torch.Generator().manual_seed(8)).double()
    log_q = -0.5 * noise.flatten(1).square().sum(1) - denoiser.dim * (np.log(scale) + 0.5 * np.log(2 * np.pi))
    ratio = (denoiser.log_prob(mean + scale * noise, sigma) - log_q).exp()
    error = ratio.std() / np.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 4.5 * error
    assert error < 0.02


@every_estimator
def test_bad_data_are_refused(member: type[Estimator]) -> None:
    estimator, x = member(**SETTINGS.get(member.name, {})), data(member)
    with pytest.raises(ValueError, match="number of samples"):
        estimator.fit(x[:0])
    spoiled = x.copy()
    spoiled[3].flat[1] = np.nan
    with pytest.raises(ValueError, match="non-finite"):
        estimator.fit(spoiled)
    with pytest.raises(ValueError, match="float32 or float64"):
        estimator.fit(np.ones(x.shape, dtype=int))
    with pytest.raises(ValueError, match="shape"):
        estimator.fit(x.ravel())


@every_estimator
def test_bad_questions_are_refused(member: type[Estimator]) -> None:
    denoiser, x = fitted(member), noisy(member, 0.7)
    for sigma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sigma"):
            denoiser(x, sigma)
    with pytest.raises(ValueError, match="sigma"):
        denoiser(x, torch.ones(len(x) + 1))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 2, 3\), got \(30,\)"):
        denoiser(x.flatten(), 0.7)
    with pytest.raises(TypeError, match=r"x must be a tensor, got ndarray; convert it with torch\.as_tensor"):
        denoiser(x.numpy(), 0.7)
    with pytest.raises(ValueError, match="floats"):
        denoiser(x.long(), 0.7)


@every_estimator
def test_a_damaged_file_is_named(member: type[Estimator], tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    estimators.save(fitted(member), path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"fit\.safetensors is not a whole estimator file.*fit the estimator again"
    ):
        estimators.load(path)
