"""How every spectral estimator is fitted: one linear system per noise level, assembled and solved."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import Estimator, samples
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import Solution
from scorelens.estimators.levels import ascending, data_moments, principal_moments
from scorelens.estimators.spectral.denoiser import SpectralDenoiser
from scorelens.estimators.spectral.solvers import Solver

_N_LEVELS = 16

FRAMES = ("principal", "coordinates")


class NoiseLevel(NamedTuple):
    """The law of ``alpha points + std n`` with ``points (n, d)`` equally likely and ``n`` standard normal."""

    points: np.ndarray
    alpha: float
    std: float

    def draws(self, repeats: int, seed: int) -> np.ndarray:
        """``repeats`` points of the law around every one of the ``points``; ``(repeats n, d)``."""
        centers = np.tile(self.alpha * self.points, (repeats, 1))
        return centers + self.std * np.random.default_rng(seed).standard_normal(centers.shape)


@dataclass(frozen=True, kw_only=True)
class SpectralEstimator(Estimator):
    """Score matching with finitely many features, solved at every noise level.

    - ``features``: a feature rule, or any function from the dimension (where the member says so, the shape)
      of an event to the features; where the member takes points, also a `PlacedByData`.
    - ``frame``: the coordinates that features see, centred and in units of the data's root mean variance.
      Along the ``principal`` axes of the data, coordinates and their squares are every Gaussian of the data's
      covariance; along those of an event (``coordinates``) only the diagonal ones. Noise is the same in both.
    - ``solver``: how the normal equations are solved.
    - ``sigmas``: noise levels in data units, any order; unless given, 16 in geometric steps from 1/50 to 20
      times the data's root mean variance.
    - ``matching``: ``denoising`` averages over the noise exactly; ``implicit``, and where offered ``sliced``
      with ``n_projections`` random signs per point, see ``repeats`` noised draws of every event from
      ``seed``.
    """

    features: Any
    solver: Solver
    frame: str = "principal"
    sigmas: tuple[float, ...] | None = None
    matching: str = "denoising"
    repeats: int = 1
    n_projections: int = 1
    seed: int = 0
    fitted: ClassVar[type[SpectralDenoiser]]
    matchings: ClassVar[tuple[str, ...]]
    frames: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.sigmas is not None:
            ascending(self.sigmas, "for clean samples use NormalEquations.implicit")
        checks.choice("matching", self.matching, self.matchings)
        checks.choice("frame", self.frame, self.frames)
        checks.at_least("repeats", self.repeats, 1)
        checks.at_least("n_projections", self.n_projections, 1)

    @abstractmethod
    def made(self, event_shape: tuple[int, ...], points: np.ndarray) -> Any:
        """The features of events of this shape, which are ``points (n, d)`` in the frame."""

    @abstractmethod
    def equations(self, features: Any, level: NoiseLevel) -> NormalEquations:
        """The normal equations of ``features`` at one noise level."""

    def fit(self, x: np.ndarray | Tensor) -> SpectralDenoiser:
        """The denoiser of the data ``x``, shape ``(n, *event)``, in data units.

        Raises ``ValueError`` for data that do not vary, for fewer than two events, for features or principal
        axes that do not fit in memory or overflow, and, naming the noise level, for what the solver refuses.
        """
        flat, event_shape = samples(x, least=2)
        data = flat.double()
        scale, turned = unit_of(data), self.frame == "principal"
        moments = principal_moments(data) if turned else data_moments(data)
        centred = (data - moments["mean"]) / scale
        points = (centred @ moments["frame"] if turned else centred).cpu().numpy()
        features, sigmas = self.made(event_shape, points), self._sigmas(scale)
        found = [self._solved(features, points, sigma, scale) for sigma in sigmas]
        solutions, spectra = [entry[0] for entry in found], [entry[1] for entry in found]
        return self.fitted(
            event_shape,
            features,
            turned,
            **moments,
            scale=data.new_tensor(scale),
            sigmas=data.new_tensor(sigmas),
            coefficients=data.new_tensor(np.stack([solution.theta for solution in solutions])),
            residuals=data.new_tensor([solution.residual for solution in solutions]),
            ranks=torch.tensor([solution.rank for solution in solutions], device=data.device),
            bounded=torch.tensor(
                [solution.bounded for solution in solutions], dtype=torch.uint8, device=data.device
            ),
            normal_spectra=data.new_tensor(np.stack(spectra)),
        )

    def _sigmas(self, scale: float) -> tuple[float, ...]:
        if self.sigmas is not None:
            return ascending(self.sigmas)
        return tuple(float(sigma) for sigma in scale * np.geomspace(0.02, 20, _N_LEVELS))

    def _solved(
        self, features: Any, points: np.ndarray, sigma: float, scale: float
    ) -> tuple[Solution, np.ndarray]:
        whole = float(np.hypot(scale, sigma))
        try:
            equations = self.equations(features, NoiseLevel(points, scale / whole, sigma / whole))
            return self.solver.solve(equations, features), equations.eigen.values
        except ValueError as error:
            raise ValueError(f"at the noise level {sigma:.4g}: {error}") from error


def unit_of(data: Tensor) -> float:
    """Root of the mean variance of the columns of ``data``; ``ValueError`` where they do not vary."""
    scale = float(data.var(0, correction=0).mean().sqrt())
    if scale <= 1e-12 * float(data.abs().max()):
        raise ValueError("all events are the same, so they define no score; give events that differ")
    return scale
