"""Which noise levels teach which mode."""

from __future__ import annotations

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.laws.preconditioned import PreconditionedOneLayer
from scorelens.dynamics.laws.relaxation import RelaxationLaw
from scorelens.dynamics.laws.sampling_integral import quadrature_deviation
from scorelens.dynamics.values import Values

GAIN_SENSITIVITY = 2.0
"""Derivative of the log generated variance by the gain, per unit of ``log(sigma)``: the same for every
mode and every noise level of the sampler ([E16])."""


def responsibility(
    law: RelaxationLaw,
    eigenvalue: np.ndarray,
    sigma: np.ndarray,
    flow_time: float = 0.0,
    *,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
) -> np.ndarray:
    """Share of each mode's missing log variance that is due to each noise level, ``(s, mode)`` ([E17]).

    A density per unit of ``log(sigma)``: it integrates to 1 over the sampler's range. ``eigenvalue (mode,)``,
    ``sigma (s,)``. A mode from which nothing is missing has responsibility 0 everywhere; where the initial
    weight is not 0 the shares may be negative.

    >>> float(responsibility(PreconditionedOneLayer.edm(), np.array([0.01]), np.array([0.2]))[0, 0].round(6))
    0.41142
    """
    modes = np.atleast_1d(gain_law.non_negative("eigenvalue", eigenvalue))
    noise = np.atleast_1d(gain_law.positive("sigma", sigma))[:, None] ** 2
    offset = law.offset(modes, noise)
    total_sign, log_total = quadrature_deviation(law, modes, flow_time, sigma_min, sigma_max)
    known = (offset != 0.0) & (total_sign != 0.0)
    log_share = np.log(np.where(known, np.abs(GAIN_SENSITIVITY * offset), 1.0)) - flow_time * law.speed(
        modes, noise
    )
    exponent = np.where(known, log_share - np.where(total_sign != 0.0, log_total, 0.0), 0.0)
    return np.where(known, np.sign(offset) * total_sign * np.exp(exponent), 0.0)


def output_sensitivity(law: PreconditionedOneLayer, noise_variance: Values) -> np.ndarray:
    """Derivative of the log generated variance by the raw network's gain, per unit of ``log(sigma)`` ([E16]).

    With EDM's scalings a bump around ``sigma_data``, about 1.3 wide on either side at half its height.
    """
    scalings = law.scaling.at(gain_law.positive("noise_variance", noise_variance))
    return np.asarray(GAIN_SENSITIVITY * scalings.output * scalings.input)
