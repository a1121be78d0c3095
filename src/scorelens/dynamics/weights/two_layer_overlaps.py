"""A tied two-layer network from a start that is not aligned with the data: its modes compete through their
overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from scipy.sparse.csgraph import connected_components

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.regression.targets import checked_covariance
from scorelens.dynamics.values import Values
from scorelens.dynamics.weights.data_modes import DataModes
from scorelens.dynamics.weights.stiff_flow import StiffProblem, stiff_flow
from scorelens.dynamics.weights.weight_law import WeightLaw, check_point

if TYPE_CHECKING:
    from scorelens.core.denoiser import Denoiser

_NO_OVERLAP = 1e-14


@final
class TwoLayerOverlaps(WeightLaw):
    """``D(x) = P P^T x`` on centred data of ``covariance (d, d)``, from any ``initial_factor`` ``P (d, r)``.

    The parameters are ``W = P P^T``, shape ``(d, d)``: seen in the eigenbasis of the data they are the
    overlaps ``G`` of the modes, whose equation (7.2) closes. It has no closed form unless ``G`` is diagonal
    (then it is `SymmetricTwoLayer` mode by mode), and is integrated to nearly all digits; the cost grows like
    ``d^6``, for about a dozen dimensions. With fewer hidden units than modes the rank of ``W`` stays what it
    is, and the modes of largest variance win.

    Raises ``ValueError`` unless the covariance is symmetric and positive semi-definite and the shapes fit.

    >>> law = TwoLayerOverlaps.from_overlaps([2.0, 0.5], [[0.1, 0.02], [0.02, 0.05]])
    >>> law.weight_at(0.5, flow_time=0.2).round(6)
    array([[0.341437, 0.037941],
           [0.037941, 0.070753]])
    """

    name = "two-layer-overlaps"
    equation = "learning dynamics (7.1), (7.2)"
    reference = "wang2025, App. E.1.2"

    def __init__(self, covariance: np.ndarray, initial_factor: np.ndarray) -> None:
        self._data = DataModes.of(None, covariance)
        factor = np.asarray(initial_factor, dtype=float)
        checks.finite("initial_factor", factor)
        if factor.ndim != 2 or len(factor) != self.dim:
            raise ValueError(f"initial_factor must have shape ({self.dim}, r), got {factor.shape}")
        along = self._data.eigenvectors.T @ factor
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        self._rank = int(np.linalg.matrix_rank(along / np.where(lengths > 0.0, lengths, 1.0)))
        self._start = factor @ factor.T

    @classmethod
    def from_overlaps(cls, eigenvalues: np.ndarray, overlaps: np.ndarray) -> TwoLayerOverlaps:
        """From data variances ``(d,)`` and the overlaps ``G (d, d)`` of their modes at the start (7.2).

        Raises ``ValueError`` unless ``overlaps`` is symmetric and positive semi-definite.
        """
        checks.non_negative("eigenvalues", eigenvalues)
        gram = checked_covariance(overlaps, "overlaps")
        size = np.sqrt(np.maximum(np.diag(gram), 0.0))
        known = np.where(size > 0.0, size, 1.0)
        # Scaled to unit lengths first: a mode that starts tiny keeps its digits.
        values, vectors = np.linalg.eigh(gram / np.outer(known, known))
        if values[0] < -1e-12 or np.any((size == 0.0) & np.any(gram != 0.0, axis=1)):
            raise ValueError(
                "overlaps must be positive semi-definite: they are inner products P^T P of modes"
            )
        kept = values > 1e-13
        return cls(np.diag(eigenvalues), known[:, None] * vectors[:, kept] * np.sqrt(values[kept]))

    @property
    def dim(self) -> int:
        return self._data.dim

    @property
    def rank(self) -> int:
        """Rank of the weight: how many modes can be learned. It does not change."""
        return self._rank

    def overlaps(self, sigma: float, flow_time: float) -> np.ndarray:
        """``G (d, d)``, overlaps of the modes after ``flow_time``, modes in ascending order of variance."""
        return self._in_modes(self.parameters(sigma, flow_time))

    def start(self, sigma: float) -> np.ndarray:
        check_point(sigma)
        return self._start.copy()

    def limit(self, sigma: float) -> np.ndarray:
        """The weight that a generic start of this rank ends at: among modes that overlap, those of largest
        variance are learned (where the rank leaves out one of several equal variances: any of them)."""
        check_point(sigma)
        gram = self._in_modes(self._start)
        size = np.sqrt(np.diag(gram))
        linked = np.abs(gram) > _NO_OVERLAP * np.outer(size, size)
        learned = np.zeros(self.dim)
        n_groups, group = connected_components(linked, directed=False)
        for index in range(n_groups):
            members = np.flatnonzero((group == index) & (size > 0.0))
            scaled = gram[np.ix_(members, members)] / np.outer(size[members], size[members])
            rank = int(np.linalg.matrix_rank(scaled, hermitian=True)) if len(members) else 0
            learned[members[len(members) - rank :]] = 1.0
        modes = self._data.eigenvalues
        return self._data.function(learned * modes / (modes + sigma**2))

    def evolve(self, parameters: np.ndarray, sigma: float, flow_time: float) -> np.ndarray:
        check_point(sigma, flow_time)
        if self._rank == 0:
            return np.zeros((self.dim, self.dim))
        gram, modes = self._in_modes(self.weight(parameters)), self._data.eigenvalues
        if self._rank == self.dim:
            moved = _flow_of_overlaps(gram, modes, sigma**2, flow_time)
        else:
            moved = _flow_of_factor(gram, modes, sigma**2, flow_time, self._rank)
        return self._data.eigenvectors @ moved @ self._data.eigenvectors.T

    def rate(self, parameters: np.ndarray, sigma: float) -> np.ndarray:
        check_point(sigma)
        weight, data = self.weight(parameters), self._data.covariance
        noisy = data + sigma**2 * np.eye(self.dim)
        downhill = 2.0 * data - weight @ noisy - noisy @ weight  # section 7.1: dP = downhill @ P
        return downhill @ weight + weight @ downhill

    def weight(self, parameters: np.ndarray) -> np.ndarray:
        values, shape = np.asarray(parameters, dtype=float), (self.dim, self.dim)
        if values.shape != shape:
            raise ValueError(f"parameters must be P P^T of shape {shape}, got {values.shape}")
        return values

    def bias(self, parameters: np.ndarray) -> np.ndarray:
        return np.zeros(len(self.weight(parameters)))

    def denoiser(self, flow_time: float, event_shape: tuple[int, ...] | None = None) -> Denoiser:
        return self.matrix_denoiser(flow_time, event_shape)

    def _in_modes(self, weight: np.ndarray) -> np.ndarray:
        gram = self._data.eigenvectors.T @ weight @ self._data.eigenvectors
        return 0.5 * (gram + gram.T)


def overlap_growth_rate(
    eigenvalue: Values,
    other_eigenvalue: Values,
    noise_variance: Values,
    gain: Values,
    other_gain: Values,
) -> np.ndarray:
    """Rate per flow time at which a small overlap of two modes grows (> 0) or decays (< 0), given how much of
    each is learned (7.6).

    It grows while neither is learned, faster than the smaller mode and slower than the larger, and decays
    from when the larger one is learned: before, not after the larger mode has risen does the overlap rise,
    against (Wang & Pehlevan 2025, App. E.1.2).

    >>> float(overlap_growth_rate(2.0, 1.0, 0.25, gain=0.0, other_gain=0.0))
    6.0
    """
    larger, smaller = (
        gain_law.non_negative("eigenvalue", eigenvalue),
        gain_law.non_negative("other_eigenvalue", other_eigenvalue),
    )
    noise = gain_law.positive("noise_variance", noise_variance)
    own = (2.0 * noise + 0.5 * (smaller + 3.0 * larger)) * gain
    other = (2.0 * noise + 0.5 * (3.0 * smaller + larger)) * other_gain
    return 2.0 * (larger + smaller - own - other)


def _flow_of_overlaps(gram: np.ndarray, modes: np.ndarray, noise: float, time: float) -> np.ndarray:
    """(7.2) for the overlaps themselves: nothing is neutral there, and slow modes keep their digits."""
    size = len(modes)
    rows, columns = np.triu_indices(size)
    pair = 0.5 * (modes[rows] + modes[columns]) + 2.0 * noise
    directions = np.zeros((len(rows), size, size))
    directions[np.arange(len(rows)), rows, columns] = directions[np.arange(len(rows)), columns, rows] = 1.0

    def full(state: np.ndarray) -> np.ndarray:
        matrix = np.zeros((*state.shape[:-1], size, size))
        matrix[..., rows, columns] = matrix[..., columns, rows] = state
        return matrix

    def losses(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        plain, weighted = left @ right, (left * modes) @ right
        return pair * plain[..., rows, columns] + weighted[..., rows, columns]

    def rate(state: np.ndarray) -> np.ndarray:
        gram = full(state)
        return 2.0 * (modes[rows] + modes[columns]) * state - 2.0 * losses(gram, gram)

    def jacobian(state: np.ndarray) -> np.ndarray:
        gram = full(state)[:, None]
        by_direction = 2.0 * (losses(gram, directions) + losses(directions, gram))
        growth = np.diag(2.0 * (modes[rows] + modes[columns]))
        return growth - np.swapaxes(by_direction, -1, -2)

    def scale(state: np.ndarray) -> np.ndarray:
        length = np.sqrt(np.abs(np.diag(full(state)))) + 1e-150
        return length[rows] * length[columns]

    fastest = 4.0 * float((modes.max() + noise) * (1.0 + np.trace(gram)))
    problem = StiffProblem(rate, jacobian, scale, fastest)
    return full(stiff_flow(problem, gram[rows, columns], time))


def _flow_of_factor(gram: np.ndarray, modes: np.ndarray, noise: float, time: float, rank: int) -> np.ndarray:
    """(7.1) for a factor of as many columns as the rank, which therefore cannot change."""
    size = len(modes)
    length = np.sqrt(np.diag(gram))
    known = np.where(length > 0.0, length, 1.0)
    values, vectors = np.linalg.eigh(gram / np.outer(known, known))
    factor = known[:, None] * (vectors[:, size - rank :] * np.sqrt(np.maximum(values[size - rank :], 0.0)))
    coupling = 2.0 * noise + modes[:, None] + modes

    def rate(state: np.ndarray) -> np.ndarray:
        q = state.reshape(-1, size, rank)
        moved = 2.0 * modes[:, None] * q - (coupling * (q @ np.swapaxes(q, 1, 2))) @ q
        return moved.reshape(state.shape)

    def jacobian(state: np.ndarray) -> np.ndarray:
        q = state.reshape(-1, size, rank)
        mixed = coupling * (q @ np.swapaxes(q, 1, 2))
        inner = np.einsum("km,smi,smj->skij", coupling, q, q)
        outer = np.einsum("km,smi,skj->skimj", coupling, q, q)
        result = -outer - np.einsum("skm,ij->skimj", mixed, np.eye(rank))
        here = np.arange(size)
        result[:, here, :, here, :] += np.moveaxis(
            2.0 * modes[None, :, None, None] * np.eye(rank) - inner, 1, 0
        )
        return result.reshape(len(q), size * rank, size * rank)

    def scale(state: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(state.reshape(size, rank), axis=1)
        return np.repeat(lengths + 1e-9 * lengths.max() + 1e-150, rank)

    fastest = 4.0 * float((modes.max() + noise) * (1.0 + np.trace(gram)))
    problem = StiffProblem(rate, jacobian, scale, fastest)
    end = stiff_flow(problem, factor.ravel(), time).reshape(size, rank)
    return end @ end.T
