"""The learning dynamics of one eigenmode: from eigenvalue, noise variance and flow time to gain and
variance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scorelens.core import checks
from scorelens.dynamics.values import Values

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser
    from scorelens.core.mode_spectrum import ModeSpectrum


class VarianceTrajectory(ABC):
    """Logarithm of the generated variance over its start, as a function of flow time, for fixed modes and
    sampler.

    ``flow_time`` broadcasts with the modes: ``(time, 1)`` with modes ``(mode,)`` gives ``(time, mode)``.
    """

    @abstractmethod
    def growth(self, flow_time: Values) -> np.ndarray:
        """``log(generated variance / start variance)``: 0 at time 0."""

    @abstractmethod
    def growth_and_slope(self, flow_time: Values) -> tuple[np.ndarray, np.ndarray]:
        """`growth` and its derivative by flow time."""


class GainLaw(ABC):
    """What gradient descent has learned of one mode after a given time, and what the model then generates.

    The denoiser multiplies mode ``k`` by ``gain(eigenvalue, noise_variance, flow_time)``; the
    probability-flow ODE turns gains at all noise levels into the variance generated along the mode.

    Arguments broadcast as NumPy arrays in float64; the canonical use is ``eigenvalue (mode,)``, ``flow_time
    (time, 1)``, giving ``(time, mode)``. ``eigenvalue >= 0`` is the data variance along a mode,
    ``noise_variance > 0`` is ``sigma ** 2``, and

        flow_time = 2 * learning rate * training time

    for a squared loss summed over coordinates without a factor one half (with that factor: learning rate
    times training time). It is the ``a`` of learning dynamics, section 0, and the dose ``T`` of [E2].

    All methods but `rate`, which an integrator may call anywhere, raise ``ValueError`` for a negative
    eigenvalue or flow time, a noise variance that is not positive, or noise levels not in ``0 < sigma_min <
    sigma_max``.
    """

    name: ClassVar[str]
    equation: ClassVar[str]
    reference: ClassVar[str]
    scale_free: ClassVar[bool] = True
    """Whether the law has no unit of its own: ``gain(k, s, T) = gain(1, s / k, k T)``.

    False where a number has units: the variance that a preconditioner assumes, or that of flow matching's
    noise.
    """

    @property
    @abstractmethod
    def monotone(self) -> bool:
        """Whether the generated variance is known to move one way only, for every eigenvalue."""

    @property
    @abstractmethod
    def shared_by_modes(self) -> bool:
        """Whether every parameter is a scalar, so that modes differ by their eigenvalue only."""

    @abstractmethod
    def start_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Gain before training."""

    @abstractmethod
    def limit_gain(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Gain after infinite training."""

    @abstractmethod
    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        """Closed-form gain after ``flow_time`` if it is ``gain`` now."""

    @abstractmethod
    def rate(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Derivative of the gain by flow time: the right-hand side of the ODE, from the gradient of the
        loss."""

    @abstractmethod
    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        """Gain after ``flow_time`` less the start gain, without cancellation early in training."""

    @abstractmethod
    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sign and logarithm of the gain after ``flow_time`` less the limit gain, without underflow late.

        A gap that is exactly zero has sign 0 and logarithm ``-inf``.
        """

    @abstractmethod
    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        """Flow time in which the gain moves from ``gain`` to ``gain + way``.

        ``left`` is ``limit gain - gain - way``, given because a difference of nearly equal gains would have
        no digits left. Infinite where the gain never comes there.
        """

    @abstractmethod
    def stuck(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        """Mask of the modes and noise levels at which the start never learns, however long it trains."""

    @abstractmethod
    def log_start_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Logarithm of the variance generated before training."""

    @abstractmethod
    def log_limit_variance(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """Logarithm of the variance that the sampler generates with ``limit_gain`` at every noise level."""

    @abstractmethod
    def log_limit_ratio(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
        """``log(limit variance / data variance)``, small and exact; ``inf`` for an eigenvalue 0."""

    @abstractmethod
    def trajectory(self, eigenvalue: Values, sigma_min: float, sigma_max: float) -> VarianceTrajectory:
        """Generated variance of these modes as a function of flow time, prepared for many evaluations."""

    @abstractmethod
    def log_deviation(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sign and logarithm of ``log(generated variance / limit variance)``, without underflow at late
        times.

        A deviation that is exactly zero has sign 0 and logarithm ``-inf``.
        """

    def gain(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        """Multiplier that the trained denoiser applies to the mode."""
        return self.evolve(self.start_gain(eigenvalue, noise_variance), eigenvalue, noise_variance, flow_time)

    def gain_function(self, eigenvalue: Values, flow_time: float) -> Callable[[np.ndarray], np.ndarray]:
        """``f(sigma (s,)) -> (s, mode)`` at one flow time: what a linear denoiser takes.

        Raises ``ValueError`` also for more than one flow time, or parameters of another number of modes.
        """
        modes = non_negative("eigenvalue", eigenvalue)
        if non_negative("flow_time", flow_time).ndim:
            raise ValueError(
                f"a denoiser has one flow time, got shape {np.shape(flow_time)}; make one for each"
            )
        parameters = self.start_gain(np.zeros(()), 1.0).shape
        if parameters not in ((), modes.shape):
            raise ValueError(
                f"{self.name} has parameters of shape {parameters} for modes of shape {modes.shape}; "
                "give it scalars, or one parameter per mode"
            )
        return lambda sigma: self.gain(modes, positive("sigma", sigma)[..., None] ** 2, flow_time)

    def denoiser(self, spectrum: ModeSpectrum, flow_time: float) -> Denoiser:
        """What the law has learned of data with this ``spectrum`` as a Denoiser: sample it like any network.

        ``spectrum`` is a `scorelens.core.spectrum.Spectrum` or a
        `scorelens.core.fourier_spectrum.FourierSpectrum`. Raises ``ValueError`` if the law has a parameter
        per mode and the spectrum leaves directions out.
        """
        if not self.shared_by_modes and spectrum.has_rest:
            raise ValueError(
                f"{self.name} has a parameter per mode, and the spectrum leaves directions without one; "
                "give the law scalars, or fit the spectrum with all its modes"
            )
        return spectrum.denoiser(lambda eigenvalue: self.gain_function(eigenvalue, flow_time))

    def log_growth(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> np.ndarray:
        """``log(generated variance / start variance)``: 0 at time 0."""
        return self.trajectory(eigenvalue, sigma_min, sigma_max).growth(flow_time)

    def log_growth_slope(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> np.ndarray:
        """Derivative of the logarithm of the generated variance by flow time."""
        return self.trajectory(eigenvalue, sigma_min, sigma_max).growth_and_slope(flow_time)[1]

    def log_generated_variance(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> np.ndarray:
        """Logarithm of the variance generated along the mode by the exact probability-flow ODE."""
        start = self.log_start_variance(eigenvalue, sigma_min, sigma_max)
        return start + self.log_growth(eigenvalue, flow_time, sigma_min, sigma_max)

    def generated_variance(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> np.ndarray:
        """Variance generated along the mode by the exact probability-flow ODE."""
        return np.exp(self.log_generated_variance(eigenvalue, flow_time, sigma_min, sigma_max))

    def flow_gain(
        self,
        eigenvalue: Values,
        flow_time: Values,
        sigma_min: float,
        sigma_max: float,
    ) -> np.ndarray:
        """Factor by which the probability-flow ODE multiplies the mode on its way from sigma_max to
        sigma_min."""
        log_variance = self.log_generated_variance(eigenvalue, flow_time, sigma_min, sigma_max)
        return np.exp(0.5 * log_variance - np.log(sigma_max))  # learning dynamics (4.2)


def non_negative(name: str, value: Values) -> np.ndarray:
    """``value`` in float64; ``ValueError`` unless every entry is finite and >= 0."""
    checks.non_negative(name, value)
    return np.asarray(value, dtype=float)


def positive(name: str, value: Values) -> np.ndarray:
    """``value`` in float64; ``ValueError`` unless every entry is finite and > 0."""
    checks.positive(name, value)
    return np.asarray(value, dtype=float)


def log_abs(value: np.ndarray) -> np.ndarray:
    """Logarithm of the absolute value, ``-inf`` at 0 without a warning."""
    zero = value == 0.0
    return np.where(zero, -np.inf, np.log(np.where(zero, 1.0, np.abs(value))))


def log_passed(way: np.ndarray, left: np.ndarray) -> np.ndarray:
    """``log((way + left) / left)`` of numbers of one sign: exact for a short way, no overflow near the end.

    >>> float(log_passed(np.array(1e-20), np.array(1.0))), float(log_passed(np.array(1.0), np.array(1e-310)))
    (1e-20, 713.801...)
    """
    far = np.abs(way) > np.abs(left)
    near = np.log1p(np.where(far, 0.0, way) / np.where(far, 1.0, left))
    return np.where(far, log_abs(np.asarray(way + left)) - log_abs(np.asarray(left)), near)


def same_sign(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mask of the pairs that are both positive or both negative, however small."""
    return (np.sign(one) == np.sign(other)) & (np.asarray(one) != 0.0)


def arrival(gain: np.ndarray, way: np.ndarray, left: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """``gain + way``, which is ``limit - left`` too: whichever of the two cancels less.

    >>> float(arrival(np.array(1.0), np.array(-1.0), np.array(-1e-20), np.array(0.0)))
    1e-20
    """
    from_limit = np.maximum(np.abs(limit), np.abs(left)) < np.maximum(np.abs(gain), np.abs(way))
    return np.where(from_limit, limit - left, gain + way)


def check_sigma_range(sigma_min: float, sigma_max: float) -> None:
    """Raise ``ValueError`` unless ``0 < sigma_min < sigma_max``."""
    checks.positive("sigma_min", sigma_min, "the score is singular at zero noise")
    checks.positive("sigma_max", sigma_max)
    if not sigma_max > sigma_min:
        raise ValueError(f"sigma_max must exceed sigma_min, got {sigma_max:g} <= {sigma_min:g}")


def optimal_gain(eigenvalue: Values, noise_variance: Values) -> np.ndarray:
    """Gain of the best linear denoiser, Wiener's: ``eigenvalue / (eigenvalue + noise_variance)``.

    >>> float(optimal_gain(3.0, 1.0))
    0.75
    """
    modes = non_negative("eigenvalue", eigenvalue)
    return modes / (modes + positive("noise_variance", noise_variance))


def above_optimum(gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
    """``gain - optimal_gain``, with its digits also where both are nearly 1.

    >>> float(above_optimum(1.0, 1e20, 1.0))
    1e-20
    """
    modes, noise = non_negative("eigenvalue", eigenvalue), positive("noise_variance", noise_variance)
    gain = np.asarray(gain)
    # The optimum itself, as float64 has it, is not above or below itself.
    there = gain == modes / (modes + noise)
    return np.where(there, 0.0, (gain * noise - (1.0 - gain) * modes) / (modes + noise))


def log_variance_of_one_gain(gain: np.ndarray, sigma_min: float, sigma_max: float) -> np.ndarray:
    """Logarithm of the variance that the sampler generates with the same ``gain`` at every noise level.

    >>> float(np.exp(log_variance_of_one_gain(np.array(1.0), 0.5, 3.0)).round(12))
    9.0
    """
    check_sigma_range(sigma_min, sigma_max)
    return 2.0 * (gain * np.log(sigma_max) + (1.0 - gain) * np.log(sigma_min))  # learning dynamics (4.3)


def log_converged_ratio(eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
    """`log_converged_variance` less the logarithm of ``eigenvalue``, small and exact; ``inf`` at 0."""
    check_sigma_range(sigma_min, sigma_max)
    modes = non_negative("eigenvalue", eigenvalue)
    known = np.where(modes > 0.0, modes, 1.0)
    ratio = np.log1p(sigma_min**2 / known) - np.log1p(modes / sigma_max**2)
    return np.where(modes > 0.0, ratio, np.inf)


def log_converged_variance(eigenvalue: Values, sigma_min: float, sigma_max: float) -> np.ndarray:
    """Logarithm of the variance that the optimal denoiser generates between two noise levels.

    ``sigma_max^2 (eigenvalue + sigma_min^2) / (eigenvalue + sigma_max^2)``: the data variance only as
    ``sigma_min -> 0`` and ``sigma_max -> infinity`` (learning dynamics, section 4.2).

    >>> float(np.exp(log_converged_variance(1.0, 0.002, 80.0)).round(6))
    0.999848
    """
    check_sigma_range(sigma_min, sigma_max)
    eigenvalue = non_negative("eigenvalue", eigenvalue)
    return np.log(eigenvalue + sigma_min**2) - np.log1p(eigenvalue / sigma_max**2)
