"""Laws of the training noise level: density and draws must be of the same law."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import ndtr

from scorelens.core import noise_level
from scorelens.core.noise_level import LogNormal, LogUniform, NoiseLevelLaw

LAWS = [member() for member in noise_level.ALL] + [LogNormal(0.3, 0.5), LogUniform(0.1, 2.0)]
every_law = pytest.mark.parametrize("law", LAWS, ids=repr)


@every_law
def test_density_integrates_to_one(law: NoiseLevelLaw) -> None:
    edges = law.jumps or (-15.0, 15.0)
    total = quad(lambda u: float(law.density(np.array(u))), *edges, epsabs=1e-12, points=[-1.2, 0.3])[0]
    assert total == pytest.approx(1.0, abs=1e-9)


@every_law
def test_draws_have_the_density(law: NoiseLevelLaw) -> None:
    # monotone draws: the probability below draw(z) is Phi(z)
    z = np.linspace(-2, 2, 9)
    quantile = law.log_sigma(torch.tensor(z)).numpy()
    low = law.jumps[0] if law.jumps else -15.0
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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogNormal(p_std=0.0), "p_std must be finite and > 0"),
        (lambda: LogNormal(p_mean=math.nan), "p_mean holds 1 non-finite"),
        (lambda: LogUniform(low=0.0), "low must be finite and > 0"),
        (lambda: LogUniform(low=2.0, high=1.0), "high must exceed low"),
        (lambda: LogUniform(high=math.inf), "high must be finite"),
    ],
)
def test_bad_parameters_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
