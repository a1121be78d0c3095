"""What the gain laws of flow matching share: velocity gains, their own time, what the flow generates."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import ClassVar

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.laws import flow_time_axis as axis
from scorelens.dynamics.laws.flow_time_axis import PathSegment
from scorelens.dynamics.values import Values

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


class FlowMatchingLaw(GainLaw):
    """A law of the velocity ``v = W_t x_t`` on the path ``x_t = (1 - t) x0 + t x1`` to data ``x1``.

    As a `GainLaw` it speaks of the denoiser ``E[x1 | x_t]`` at ``sigma = (1 - t) / t``, like all others. In
    its own terms ``time`` is ``t`` in [0, 1] and the velocity multiplies the mode by `velocity_gain`; the
    flow starts at ``t0`` with variance 1. Noise of variance 1 is a unit: the law is not free of scale.

    Additionally raises ``ValueError`` for times outside [0, 1], and unless ``t0 < t1``.
    """

    scale_free: ClassVar[bool] = False

    @property
    @abstractmethod
    def start(self) -> np.ndarray:
        """Velocity gain before training, the same at all times; a scalar or one per mode."""

    @abstractmethod
    def velocity_gain(self, eigenvalue: Values, time: Values, flow_time: Values) -> np.ndarray:
        """Multiplier that the velocity field, trained for ``flow_time``, applies to the mode at ``time``."""

    @abstractmethod
    def learning_speed(self, eigenvalue: Values, time: Values) -> np.ndarray:
        """Rate per unit of flow time at which the velocity gain approaches its limit late in training."""

    @abstractmethod
    def stuck_at(self, eigenvalue: Values, time: Values) -> np.ndarray:
        """`stuck`, at a time of the flow: the optimal velocity gain is never reached."""

    @abstractmethod
    def log_limit_change(self, segment: PathSegment) -> np.ndarray:
        """Log growth of the variance of ``x_t`` across a segment after infinite training."""

    @abstractmethod
    def trajectory_across(self, segment: PathSegment) -> VarianceTrajectory:
        """How training changes the log growth of the variance of ``x_t`` across a segment."""

    @property
    def shared_by_modes(self) -> bool:
        return np.size(self.start) == 1

    def start_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        gain = axis.gain_of_velocity(self.start, _sigma(noise_variance))
        return np.broadcast_to(gain, np.broadcast_shapes(gain.shape, np.shape(eigenvalue)))

    def log_start_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        segment = PathSegment.between_noise_levels(eigenvalue, sigma_min, sigma_max)
        return axis.log_rescaling(sigma_min, sigma_max) + self._log_start_change(segment)

    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        return self.trajectory_across(PathSegment.between_noise_levels(eigenvalue, sigma_min, sigma_max))

    def optimal_velocity_gain(self, eigenvalue: Values, time: Values) -> np.ndarray:
        """``(t eigenvalue - (1 - t)) / r(t)``: -1 at time 0, 1 at time 1.

        For an eigenvalue 0 it falls to minus infinity before time 1; at 1 itself nothing is asked of it, and
        the least one, 0, is given.
        """
        variance = axis.path_variance(eigenvalue, time)
        at_rest = variance == 0.0
        return np.where(at_rest, 0.0, axis.path_pull(eigenvalue, time) / np.where(at_rest, 1.0, variance))

    def path_variance(self, eigenvalue: Values, time: Values) -> np.ndarray:
        """Variance ``r(t)`` of ``x_t`` along the mode, which the optimal field reproduces."""
        return axis.path_variance(eigenvalue, time)

    def turning_time(self, eigenvalue: Values) -> np.ndarray:
        """Time ``t_* = 1 / (1 + eigenvalue)`` at which the path is narrowest and the optimal velocity gain
        0."""
        return 1.0 / (1.0 + gain_law.non_negative("eigenvalue", eigenvalue))

    def log_flow_start(self, eigenvalue: Values, t0: Values = 0.0, t1: Values = 1.0) -> np.ndarray:
        """`log_flow_variance` before training."""
        return self._log_start_change(PathSegment.between_times(eigenvalue, t0, t1))

    def log_flow_limit(self, eigenvalue: Values, t0: Values = 0.0, t1: Values = 1.0) -> np.ndarray:
        """`log_flow_variance` after infinite training; ``-inf`` where the variance 0 is learned."""
        return self.log_limit_change(PathSegment.between_times(eigenvalue, t0, t1))

    def log_flow_variance(
        self,
        eigenvalue: Values,
        flow_time: Values,
        t0: Values = 0.0,
        t1: Values = 1.0,
    ) -> np.ndarray:
        """Logarithm of the variance at time ``t1`` of a flow that starts at ``t0`` with variance 1.

        ``t0`` and ``t1`` broadcast with the modes, like ``flow_time``.
        """
        segment = PathSegment.between_times(eigenvalue, t0, t1)
        return self._log_start_change(segment) + self.trajectory_across(segment).growth(flow_time)

    def generated_flow_mean(self, eigenvalue: Values, flow_time: Values, initial_bias: Values) -> np.ndarray:
        """Mean at time 1 along a mode of centred data if every bias is ``initial_bias`` before training.

        ``b e^-a`` times the integral over the flow of what it makes of the bias (learning dynamics, section
        11.2).
        """
        checks.finite("initial_bias", initial_bias)
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        times = gain_law.non_negative("flow_time", flow_time)
        shape = np.broadcast_shapes(modes.shape, times.shape, np.shape(self.start))
        total, turn = np.zeros(shape), np.broadcast_to(self.turning_time(modes), shape)
        for low, high in _graded_panels(turn):
            at = 0.5 * (low + high) + 0.5 * (high - low) * _NODES.reshape(-1, *(1,) * len(shape))
            grown = np.exp(0.5 * self.log_flow_variance(modes, times, at, 1.0))
            total += 0.5 * (high - low) * np.tensordot(_WEIGHTS, grown, axes=1)
        return np.asarray(initial_bias) * np.exp(-times) * total

    def _log_start_change(self, segment: PathSegment) -> np.ndarray:
        change = 2.0 * self.start * segment.length
        return np.broadcast_to(change, np.broadcast_shapes(change.shape, segment.modes.shape))


def _graded_panels(turn: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Panels of [0, 1] that halve towards the turning time from both sides; those past an end are empty."""
    levels = 2.0 ** -np.arange(25.0)
    before = [np.maximum(turn - level, 0.0) for level in levels]
    after = [np.minimum(turn + level, 1.0 - np.finfo(float).epsneg) for level in levels[::-1]]
    edges = [*before, np.minimum(turn, after[0]), *after]
    return [(low, high) for low, high in pairwise(edges) if np.any(high > low)]


def _sigma(noise_variance: Values) -> np.ndarray:
    return np.sqrt(gain_law.positive("noise_variance", noise_variance))
