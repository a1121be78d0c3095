"""The best density of training noise levels for a spectrum: soonest for the slowest mode, or least error on a
budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.emergence.criterion import criterion_named
from scorelens.dynamics.emergence.times import AT_START, UNREACHABLE, log_distance
from scorelens.dynamics.generation.sampler import ExactSampler
from scorelens.dynamics.laws.preconditioned import PreconditionedOneLayer

CONSTRAINED, WEIGHTED, IGNORED = "constrained", "weighted", "ignored"
_NEWTON_STEPS, _ROUNDS, _HALVINGS = 200, 60, 8
_VIOLATION, _EXACT = 1e-9, 1e-12
_ROUNDING, _SUFFICIENT = 1e-11, 1e-4
_DAMPINGS = 10.0 ** np.arange(-13.0, 5.0, 2.0)
_TINY = np.finfo(float).tiny


@dataclass(frozen=True, eq=False)
class NoiseDensity:
    """Density of the noise level on equal cells of ``log(sigma)``: ``log_sigma (n,)`` are their middles.

    ``density (n,)`` is per unit of ``log(sigma)`` and integrates to 1 over the cells; ``flow_time`` the dose
    it is for; ``missing (mode,)`` the log variance that each mode still lacks after that dose. ``status
    (mode,)`` of the fastest density says which modes were ``constrained``, on target ``at start``, or
    ``unreachable`` by this sampler; of the least error, which were ``weighted`` or ``ignored``.
    """

    log_sigma: np.ndarray
    density: np.ndarray
    flow_time: float
    missing: np.ndarray
    status: np.ndarray


def fastest_density(
    law: PreconditionedOneLayer,
    eigenvalue: np.ndarray,
    *,
    criterion: str = "harmonic",
    band: float = 1.25,
    sampler: ExactSampler | None = None,
    n_cells: int = 200,
) -> NoiseDensity:
    """Density of noise levels with the smallest largest emergence time over all modes ([E18]).

    The law's own density is not used; its scalings and loss weight are. A convex problem on ``n_cells`` equal
    cells, solved through its dual with the few modes that matter; ``flow_time`` of the result is the time by
    which all constrained modes have emerged. It serves the slowest mode only: easy modes come later than with
    a density at their own levels. Mix in 10-20% of a broad density in practice, for what the law does not
    see.

    Raises ``ValueError`` for a law that does not start from a zero output, or if no mode has anything to
    learn.

    >>> law = PreconditionedOneLayer.edm()
    >>> found = fastest_density(law, np.array([8.0, 2.0, 0.5, 0.1, 0.02]), criterion="geometric", n_cells=40)
    >>> round(found.flow_time, 6)
    6.967801
    """
    problem = _Problem(law, eigenvalue, sampler or ExactSampler(), n_cells)
    allowed, status = problem.allowed(criterion_named(criterion, band).threshold)
    asked = np.flatnonzero(status == CONSTRAINED)
    if not asked.size:
        raise ValueError(
            "no mode has anything to learn that this sampler can reach; check eigenvalues and sigma range"
        )
    dose = _minimax(problem, asked, allowed)
    return problem.result(dose, status)


def least_error_density(
    law: PreconditionedOneLayer,
    eigenvalue: np.ndarray,
    weight: np.ndarray,
    flow_time: float,
    *,
    sampler: ExactSampler | None = None,
    n_cells: int = 200,
) -> NoiseDensity:
    """Density of noise levels with the least weighted missing log variance after ``flow_time`` ([E19]).

    ``weight (mode,)`` >= 0; the optimum is ``weight @ missing`` of the result. Levels whose marginal value is
    below the common one get no training at all; the best density moves to lower noise as the budget grows.
    """
    checks.positive("flow_time", flow_time)
    problem = _Problem(law, eigenvalue, sampler or ExactSampler(), n_cells)
    weights = gain_law.non_negative("weight", weight)
    if weights.shape != problem.modes.shape or not weights.any():
        raise ValueError(
            f"weight must have shape {problem.modes.shape} and one positive entry, got {weights.shape}"
        )
    used = weights > 0.0
    log_value = np.log(weights[used])[:, None] + problem.log_drive[used]
    rate = problem.rate[used]

    def excess(log_level: float) -> float:
        return float(problem.width * _dose_where(log_value - log_level, rate).sum() - flow_time)

    if not problem.share[used].any():
        raise ValueError("no weighted mode has anything to learn; check the eigenvalues")
    highest = float(np.logaddexp.reduce(log_value, axis=0).max())
    lowest = highest - 1.0
    while excess(lowest) < 0.0:
        lowest -= 2.0 * (highest - lowest)
    log_level = brentq(excess, lowest, highest, xtol=1e-14)
    dose = _dose_where(log_value - log_level, rate)
    return problem.result(dose, np.where(used, WEIGHTED, IGNORED))


class _Problem:
    """The finite problem: missing log variance of each mode as a function of the dose in each cell."""

    def __init__(
        self, law: PreconditionedOneLayer, eigenvalue: np.ndarray, sampler: ExactSampler, n_cells: int
    ) -> None:
        if not law.monotone:
            raise ValueError(
                "the best density is defined for laws that start from a zero output: initial_weight must be 0"
            )
        checks.at_least("n_cells", n_cells, 2)
        self.law, self.sampler = law, sampler
        self.modes = gain_law.non_negative("eigenvalue", eigenvalue)
        if self.modes.ndim != 1:
            raise ValueError(f"eigenvalue must be 1-D, got shape {self.modes.shape}")
        edges = np.linspace(np.log(sampler.sigma_min), np.log(sampler.sigma_max), n_cells + 1)
        self.log_sigma, self.width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
        noise = np.exp(2.0 * self.log_sigma)[:, None]
        self.share = np.abs(2.0 * law.offset(self.modes, noise)).T  # [E17]
        self.rate = law.response(self.modes, noise).T
        known = np.where(self.share > 0.0, self.share, 1.0)
        self.log_drive = np.where(self.share > 0.0, np.log(known * self.rate), -np.inf)

    def missing(self, dose: np.ndarray) -> np.ndarray:
        """Missing log variance of every mode."""
        return self.width * (self.share * np.exp(-dose * self.rate)).sum(axis=1)

    def allowed(self, threshold: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Log variance each mode may lack when it counts as emerged, and its status."""
        reach = threshold(log_distance(self.law, self.modes, "data", self.sampler))
        way = self.sampler.log_way(self.law, self.modes)
        known = np.where(np.isfinite(reach), reach, 0.0)
        allowed = np.where(np.isfinite(reach), np.sign(known) * (way - known), -np.inf)
        status = np.where(allowed <= 0.0, UNREACHABLE, CONSTRAINED)
        there = (known == 0.0) & np.isfinite(reach) | (allowed >= self.missing(np.zeros_like(self.log_sigma)))
        return allowed, np.where(there, AT_START, status)

    def result(self, dose: np.ndarray, status: np.ndarray) -> NoiseDensity:
        total = float(self.width * dose.sum())
        return NoiseDensity(self.log_sigma, dose / total, total, self.missing(dose), status)


def _minimax(problem: _Problem, asked: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Dose per cell; the working set takes in the most violated mode until none is."""
    dose = np.zeros_like(problem.log_sigma)
    working, price = np.array([], dtype=int), np.array([])
    for _ in range(_ROUNDS):
        violation = np.log(np.maximum(problem.missing(dose)[asked], _TINY) / allowed[asked])
        if violation.max() <= _VIOLATION:
            return dose
        worst = asked[violation.argmax()]
        # Enough to train some level for this mode alone.
        first = 2.0 * allowed[worst] * np.exp(-problem.log_drive[worst].max())
        working, price = np.append(working, worst), np.append(price, 0.0 if price.size else first)
        price, dose = _Dual(problem, working, allowed).maximise(price)
    raise ValueError("the noise density did not settle; use fewer cells or drop modes that nearly coincide")


class _Dual:
    """Concave dual: each mode that holds back the others pays a ``price >= 0`` for what it lacks."""

    def __init__(self, problem: _Problem, working: np.ndarray, allowed: np.ndarray) -> None:
        # In units of what each mode may lack, so that all constraints weigh alike.
        limit = allowed[working, None]
        self._width, self._rate = problem.width, problem.rate[working]
        self._share, self._drive = problem.share[working] / limit, problem.log_drive[working] - np.log(limit)

    def maximise(self, price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best prices and the dose per cell that they buy, by projected Newton steps with backtracking."""
        value, slope, dose = self._evaluate(price)
        for _ in range(_NEWTON_STEPS):
            if _steepness(price, slope) <= _EXACT:
                break
            free = (price > 0.0) | (slope > 0.0)
            curvature = self._curvature(price, dose)[np.ix_(free, free)]
            scale = np.diag(curvature).max() * np.eye(len(curvature))
            # Few trained levels leave the curvature singular: damp the step until it goes up.
            for damping in _DAMPINGS:
                move = np.zeros_like(price)
                move[free] = np.linalg.solve(curvature + damping * scale, slope[free])
                moved = self._ascended(price, move, value, slope)
                if moved is not None:
                    break
            if moved is None:
                break
            price, (value, slope, dose) = moved
        return price, dose

    def _ascended(
        self, price: np.ndarray, move: np.ndarray, value: float, slope: np.ndarray
    ) -> tuple[np.ndarray, tuple[float, np.ndarray, np.ndarray]] | None:
        for halvings in range(_HALVINGS):
            trial = np.maximum(price + 0.5**halvings * move, 0.0)
            found = self._evaluate(trial)
            gain = _SUFFICIENT * slope @ (trial - price)
            if found[0] >= value + gain:
                return trial, found
            # Close to the top the values no longer tell better from worse, but the slopes still do.
            if abs(gain) <= _ROUNDING * abs(value) and _steepness(trial, found[1]) < _steepness(price, slope):
                return trial, found
        return None

    def _evaluate(self, price: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        paid = price > 0.0
        log_price = np.where(paid, np.log(np.where(paid, price, 1.0)), -np.inf)
        dose = _dose_where((log_price[:, None] + self._drive)[paid], self._rate[paid])
        slope = self._width * (self._share * np.exp(-dose * self._rate)).sum(axis=1) - 1.0
        return float(self._width * dose.sum() + price @ slope), slope, dose

    def _curvature(self, price: np.ndarray, dose: np.ndarray) -> np.ndarray:
        """Minus the second derivative of the dual, from [E18] differentiated."""
        trained = dose > 0.0
        rate = self._rate[:, trained]
        pull = self._share[:, trained] * rate * np.exp(-dose[trained] * rate)
        stiffness = (price[:, None] * pull * rate).sum(axis=0)
        return self._width * (pull / stiffness) @ pull.T


def _steepness(price: np.ndarray, slope: np.ndarray) -> float:
    """Largest slope along which a price can still move."""
    return float(np.abs(np.where((price > 0.0) | (slope > 0.0), slope, 0.0)).max())


def _dose_where(log_value: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """``q >= 0`` per cell with ``sum_k exp(log_value_k - q rate_k) = 1``, or 0 where the sum is below 1 at
    0."""
    dose = np.zeros(log_value.shape[1])
    if not len(log_value):
        return dose
    for _ in range(_NEWTON_STEPS):
        terms = log_value - dose * rate
        level = np.logaddexp.reduce(terms, axis=0)
        slope = (np.exp(terms - level) * rate).sum(axis=0)
        # Convex and decreasing: Newton's method from the left never overshoots.
        move = np.maximum(level, 0.0) / slope
        dose = dose + move
        if np.all(move <= 4e-15 * dose):
            break
    return dose
