"""Do two models trained on disjoint halves of the data agree, or has each learned its own half by heart?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core.denoiser import Denoiser
from scorelens.estimators import Empirical
from scorelens.generalization.memorization.attraction import COINCIDE, RESOLVED
from scorelens.generalization.memorization.denoiser import SMALLEST_GAP
from scorelens.generalization.memorization.intervals import standard_error
from scorelens.generalization.memorization.noised_points import NoisedPoints, training_events


@final
@dataclass(frozen=True, eq=False)
class HalvesAgreement:
    """Of two denoisers ``D1``, ``D2`` and the empirical denoisers ``E1``, ``E2`` of their training sets.

    All root mean squares over noised held-out points, per noise level ``(s,)``:

    - ``disagreement``: of ``D1 - D2`` over that of ``E1 - E2``; 0 for one and the same function (both have
      learned the law), 1 for models that know their own halves by heart. ``standard_error``: its own.
    - ``from_own``: of ``D1 - E1`` and ``D2 - E2`` over that of ``E1 - E2``, ``(s, 2)``: 0 for memorisation.
    - ``apart``: of ``E1 - E2`` per value of an event, in data units.
    - ``status``: "resolved", or "floors coincide" where ``E1`` and ``E2`` differ by rounding only (at large
      noise): there the other numbers are NaN.
    """

    sigma: np.ndarray
    disagreement: np.ndarray
    standard_error: np.ndarray
    from_own: np.ndarray
    apart: np.ndarray
    status: tuple[str, ...]
    reference: ClassVar[str] = "kadkhodaie2024"


def compare_halves(
    denoisers: tuple[Denoiser, Denoiser],
    trains: tuple[Any, Any],
    held_out: Any,
    sigmas: ArrayLike,
    *,
    n_probes: int = 256,
    seed: int = 0,
) -> HalvesAgreement:
    """Compare two ``denoisers`` trained on the two disjoint sets ``trains`` ``(n, *event)``.

    ``n_probes`` points of ``held_out`` (never trained on by either) are noised at ``sigmas`` ``(s,)``.
    Raises ``ValueError`` as `examine_denoiser` does, and for training sets that share an event.

    >>> generator = np.random.default_rng(0)
    >>> halves = tuple(generator.standard_normal((30, 3)).astype(np.float32) for _ in range(2))
    >>> known_by_heart = tuple(Empirical().fit(half) for half in halves)
    >>> compare_halves(known_by_heart, halves, generator.standard_normal((40, 3)), [0.5]).disagreement
    array([1.])
    """
    probes = NoisedPoints.choose(held_out, n_probes, sigmas, seed)
    events = [training_events(f"trains[{i}]", half, probes.points.shape[1:]) for i, half in enumerate(trains)]
    _refuse_overlap(*events)
    floors = [Empirical().fit(half) for half in events]
    smallest = SMALLEST_GAP * float(np.sqrt(events[0].var(axis=0, dtype=np.float64).mean()))
    levels = [_level(denoisers, floors, probes, level, smallest) for level in probes.levels()]
    table = np.array([numbers for numbers, _ in levels])
    status = tuple(status for _, status in levels)
    return HalvesAgreement(probes.sigmas, table[:, 0], table[:, 1], table[:, 2:4], table[:, 4], status)


def _level(
    denoisers: tuple[Denoiser, Denoiser],
    floors: list[Any],
    probes: NoisedPoints,
    level: int,
    smallest: float,
) -> tuple[tuple[float, ...], str]:
    """``(disagreement, its error, from_own 1 and 2, apart)`` of one level, and its status."""
    own = [probes.through(denoiser, level).astype(np.float64) for denoiser in denoisers]
    known = [probes.through(floor, level).astype(np.float64) for floor in floors]
    between = ((known[0] - known[1]) ** 2).sum(axis=1)
    apart = float(np.sqrt(between.mean() / own[0].shape[1]))
    if not apart > smallest:
        return (np.nan, np.nan, np.nan, np.nan, apart), COINCIDE
    squares = [((x - y) ** 2).sum(axis=1) for x, y in (own, (own[0], known[0]), (own[1], known[1]))]
    ratios = [float(np.sqrt(square.mean() / between.mean())) for square in squares]
    # The square root of a ratio of means; at a ratio of zero there is nothing to vary.
    influence = (squares[0] - ratios[0] ** 2 * between) / between.mean()
    error = standard_error(influence) / (2 * ratios[0]) if ratios[0] > 0 else 0.0
    return (ratios[0], error, *ratios[1:], apart), RESOLVED


def _refuse_overlap(first: np.ndarray, second: np.ndarray) -> None:
    rows = [{row.tobytes() for row in half} for half in (first, second)]
    shared = len(rows[0] & rows[1])
    if shared:
        raise ValueError(
            f"the two training sets share {shared} event(s); agreement is telling for disjoint sets only: "
            "remove duplicates"
        )
