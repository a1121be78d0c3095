"""What one does without a closed form: integrate the training ODE, then the probability-flow ODE."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from scorelens.dynamics import GainLaw

SIGMA_MIN, SIGMA_MAX, N_SIGMAS, TOLERANCE = 0.002, 80.0, 600, 1e-9


def integrated(law: GainLaw, eigenvalue: float, times: np.ndarray) -> np.ndarray:
    """Logarithm of the generated variance at all ``times`` by `scipy.integrate.solve_ivp`.

    LSODA with a diagonal Jacobian takes the gains at 600 noise levels at once; the second ODE reads them from
    a cubic spline, all times at once.
    """
    u = np.linspace(math.log(SIGMA_MIN), math.log(SIGMA_MAX), N_SIGMAS)
    noise = np.exp(2 * u)
    start = np.array(np.broadcast_to(law.start_gain(eigenvalue, noise), noise.shape))
    training = solve_ivp(
        lambda _, gain: law.rate(gain, eigenvalue, noise),
        (0.0, times[-1]), start, method="LSODA", t_eval=times, rtol=TOLERANCE, atol=1e-12, lband=0, uband=0,
    )  # fmt: skip
    gains = CubicSpline(u, training.y)
    sampling = solve_ivp(
        lambda v, _: 2 * (1 - gains(v)),
        (u[-1], u[0]), np.full(len(times), 2 * u[-1]), method="DOP853", rtol=TOLERANCE, atol=1e-10,
    )  # fmt: skip
    return sampling.y[:, -1]
