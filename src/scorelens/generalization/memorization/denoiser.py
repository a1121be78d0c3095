"""Has a denoiser memorised? Per noise level, how far it has moved towards the empirical denoiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.estimators import Empirical, Gaussian
from scorelens.generalization.memorization.attraction import Attraction, Projection, attraction, projection
from scorelens.generalization.memorization.noised_points import NoisedPoints, training_events
from scorelens.generalization.memorization.spaces import as_array

SMALLEST_GAP = 1e-4
"""Gap of the floors over the spread of the data below which float32 outputs cannot tell them apart."""


@final
@dataclass(frozen=True, eq=False)
class Unseen:
    """Attraction to the empirical denoisers of ``r`` sets that were not trained on, for comparison.

    A denoiser may point from the Gaussian towards an empirical denoiser without knowing its points, because
    the empirical denoiser of many points is a good one. Only what exceeds the attraction to fresh sets of the
    same size is memorisation: for a model that has met none of them, all ``r + 1`` are exchangeable.

    - ``coefficient`` ``(r, s)``: as in `Attraction`, each set with its own Gaussian, on the same probes.
    - ``excess`` ``(s,)``: attraction less the mean of these.
    - ``excess_error`` ``(s,)``: its standard error, ``sqrt(1 + 1 / r)`` times the spread of ``coefficient``.
    - ``p_value`` ``(s,)``: one-sided, of Student's t with ``r - 1`` degrees of freedom.

    NaN where the floors coincide.
    """

    coefficient: np.ndarray = field(repr=False)
    excess: np.ndarray
    excess_error: np.ndarray
    p_value: np.ndarray

    @property
    def n_sets(self) -> int:
        """Number ``r`` of sets."""
        return len(self.coefficient)


@final
@dataclass(frozen=True, eq=False)
class DenoiserMemorization:
    """What `examine_denoiser` found on ``n_probes`` noised held-out points.

    ``attraction`` is towards the empirical denoiser of the training set; ``unseen`` compares it with sets
    that were not trained on, or is ``None`` if there were too few held-out events (``remarks`` says so).
    """

    attraction: Attraction
    unseen: Unseen | None
    n_probes: int
    remarks: tuple[str, ...] = ()


def examine_denoiser(
    denoiser: Denoiser,
    train: Any,
    held_out: Any,
    sigmas: ArrayLike,
    *,
    n_probes: int = 256,
    n_unseen: int = 8,
    n_modes: int | None = None,
    seed: int = 0,
) -> DenoiserMemorization:
    """Attraction of ``denoiser`` to the empirical denoiser of ``train``, at noise levels ``sigmas`` ``(s,)``.

    Measured on ``n_probes`` points of ``held_out`` (at most; never trained on), noised. Held-out events that
    are no probes make up unseen sets as large as the training set, at most ``n_unseen``; two are needed (0
    skips them). The Gaussian floor keeps ``n_modes`` modes, by default all. ``train`` and ``held_out`` are
    arrays, tensors or `scorelens.data.Data`, ``(n, *event)``. The denoiser is called in float32 on its own
    device.

    Raises ``ValueError`` for other shapes, too few events (2 to train, 10 held out), non-finite values or
    outputs, and sigmas that are not > 0.

    >>> generator = np.random.default_rng(0)
    >>> train, held_out = (generator.standard_normal((n, 3)) for n in (50, 400))
    >>> found = examine_denoiser(Empirical().fit(train.astype(np.float32)), train, held_out, [0.3, 1.0])
    >>> found.attraction.coefficient.round(4), found.unseen.n_sets, bool((found.unseen.p_value < 0.1).all())
    (array([1., 1.]), 2, True)
    """
    checks.whole("n_unseen", n_unseen, 0)
    probes = NoisedPoints.choose(held_out, n_probes, sigmas, seed)
    shape = probes.points.shape[1:]
    seen = _Floors.of(training_events("train", train, shape), n_modes)
    outputs = [probes.through(denoiser, level) for level in probes.levels()]
    found = attraction(probes.sigmas, seen.project(outputs, probes))
    n_sets = min(n_unseen, max(len(held_out) - n_probes, 0) // len(train))
    if n_sets < 2:
        remark = (
            f"no unseen sets to compare with: two take {2 * len(train) + n_probes} held-out events (the size "
            f"of the training set each, and {n_probes} probes), got {len(held_out)}"
        )
        return DenoiserMemorization(found, None, len(probes.points), (remark,) if n_unseen else ())
    order = np.random.default_rng(seed).permutation(len(held_out))[n_probes:]
    fresh = [order[start : start + len(train)] for start in range(0, n_sets * len(train), len(train))]
    coefficients = []
    for chosen in fresh:
        events = training_events("held_out", as_array(held_out, np.sort(chosen)), shape)
        projections = _Floors.of(events, n_modes).project(outputs, probes)
        coefficients.append([level.coefficient for level in projections])
    unseen = _compared(found.coefficient, np.array(coefficients))
    return DenoiserMemorization(found, unseen, len(probes.points))


def _compared(coefficient: np.ndarray, unseen: np.ndarray) -> Unseen:
    r = len(unseen)
    excess, error = coefficient - unseen.mean(axis=0), np.sqrt(1 + 1 / r) * unseen.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = stats.t.sf(excess / error, r - 1)
    return Unseen(unseen, excess, error, p_value)


@final
@dataclass(frozen=True, eq=False)
class _Floors:
    """The Gaussian and the empirical denoiser of one set of events, and the spread of its values."""

    gaussian: Denoiser
    empirical: Denoiser
    spread: float

    @classmethod
    def of(cls, events: np.ndarray, n_modes: int | None) -> _Floors:
        spread = float(np.sqrt(events.var(axis=0, dtype=np.float64).mean()))
        return cls(Gaussian(n_modes).fit(events), Empirical().fit(events), spread)

    def project(self, outputs: list[np.ndarray], probes: NoisedPoints) -> list[Projection]:
        """The projections of the ``outputs`` of a denoiser at every level."""
        return [
            projection(
                output,
                probes.through(self.gaussian, level),
                probes.through(self.empirical, level),
                SMALLEST_GAP * self.spread,
            )
            for level, output in enumerate(outputs)
        ]
