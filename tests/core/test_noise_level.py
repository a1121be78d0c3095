"""Laws of the training noise level: density and draws must be of the same law."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import ndtr

from scorelens.core import noise_level
from scorelens.core.noise_level import FlowTime, LogNormal, LogUniform, NoiseLevelLaw, Variance

LAWS = [member() for member in noise_level.ALL]
LAWS += [LogNormal(0.3, 0.5), LogUniform(0.1, 2.0), Variance(0.1, 2.0)]
WIDE = 40.0
every_law = pytest.mark.parametrize("law", LAWS, ids=repr)


@every_law
def test_density_integrates_to_one(law: NoiseLevelLaw) -> None:
    edges = np.clip(law.support, -WIDE, WIDE)
    total = quad(lambda u: float(law.density(np.array(u))), *edges, epsabs=1e-12, points=[-1.2, 0.3, 2.0])[0]
    assert total == pytest.approx(1.0, abs=1e-9)


@every_law
def test_draws_have_the_density(law: NoiseLevelLaw) -> None:
    # monotone draws: the probability below draw(z) is Phi(z)
    z = np.linspace(-2, 2, 9)
    quantile = law.log_sigma(torch.tensor(z)).numpy()
    low = max(law.support[0], -WIDE)
    below = [quad(lambda u: float(law.density(np.array(u))), low, q, epsabs=1e-12)[0] for q in quantile]
    np.testing.assert_allclose(below, ndtr(z), atol=1e-9)


@every_law
def test_shape_and_dtype(law: NoiseLevelLaw) -> None:
    assert law.density(np.zeros((2, 3))).shape == (2, 3)
    assert law.log_sigma(torch.zeros(2, 3)).shape == (2, 3)
    assert law.log_sigma(torch.zeros(2, dtype=torch.float64)).dtype == torch.float64


def test_draws_by_simulation() -> None:
    draws = LogNormal().log_sigma(torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    error = 1.2 / math.sqrt(len(draws))
    assert abs(float(draws.mean()) + 1.2) < 4.5 * error
    assert error < 0.05 * 1.2


def test_the_uniform_law_is_zero_outside_and_names_its_jumps() -> None:
    law = LogUniform(0.1, 10.0)
    assert law.jumps == (math.log(0.1), math.log(10.0))
    np.testing.assert_allclose(law.density(np.array([-3.0, 0.0, 3.0])), [0, 1 / math.log(100), 0])
    extreme = law.log_sigma(torch.tensor([-50.0, 50.0], dtype=torch.float64))
    np.testing.assert_allclose(extreme.numpy(), law.jumps)


@every_law
def test_the_support_is_where_the_density_is_positive(law: NoiseLevelLaw) -> None:
    low, high = law.support
    assert (law.jumps == (low, high)) if law.jumps else (math.isinf(low) and math.isinf(high))
    if law.jumps:
        inside, outside = np.array([low + 1e-9, high - 1e-9]), np.array([low - 1e-9, high + 1e-9])
        assert np.all(law.density(inside) > 0)
        np.testing.assert_array_equal(law.density(outside), 0.0)


@pytest.mark.parametrize("make", [LogUniform, Variance])
def test_the_ends_of_a_range_are_inside_however_they_are_rounded(make) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        low, high = round(10 ** rng.uniform(-3, -1), 4), round(10 ** rng.uniform(0, 2), 2)
        by_variance = 0.5 * np.log(np.array([low**2, high**2]))
        assert np.all(make(low, high).density(by_variance) > 0)


def test_sigma_squared_is_uniform_under_the_law_of_the_variance() -> None:
    law = Variance(0.5, 2.0)
    level = law.log_sigma(torch.tensor([-60.0, 0.0, 60.0], dtype=torch.float64))
    np.testing.assert_allclose(level.exp().square().numpy(), [0.25, (0.25 + 4) / 2, 4.0], rtol=1e-14)
    u = np.log(np.array([0.6, 1.8]))
    assert law.density(u)[1] / law.density(u)[0] == pytest.approx(9.0, rel=1e-14)
    far = law.log_sigma(torch.tensor([-60.0, 60.0]))
    assert torch.isfinite(far).all()


def test_time_is_uniform_under_the_law_of_flow_time() -> None:
    normal = torch.linspace(-4, 4, 17, dtype=torch.float64)
    np.testing.assert_allclose(torch.sigmoid(FlowTime().log_sigma(normal)), ndtr(normal), rtol=1e-13)
    assert torch.isfinite(FlowTime().log_sigma(torch.tensor([-12.0, 12.0]))).all()
    assert FlowTime().density(np.array(800.0)) == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogNormal(p_std=0.0), "p_std must be finite and > 0"),
        (lambda: LogNormal(p_mean=math.nan), "p_mean holds 1 non-finite"),
        (lambda: LogUniform(low=0.0), "low must be finite and > 0"),
        (lambda: LogUniform(low=2.0, high=1.0), "high must exceed low"),
        (lambda: LogUniform(high=math.inf), "high must be finite"),
        (lambda: Variance(low=2.0, high=1.0), "high must exceed low"),
        (lambda: Variance(low=-1.0), "low must be finite and > 0"),
    ],
)
def test_bad_parameters_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
