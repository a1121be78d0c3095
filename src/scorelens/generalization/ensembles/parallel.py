"""The same random task for every member of an ensemble, on any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed

from scorelens.core import checks

Made = TypeVar("Made")


def in_parallel(
    task: Callable[[np.random.Generator], np.ndarray], members: int, seed: int, workers: int = 1
) -> np.ndarray:
    """``task(rng)`` for each of ``members``, stacked; ``(members, ...)``. See `each_in_parallel`.

    >>> in_parallel(lambda rng: rng.random(2), members=3, seed=0).shape
    (3, 2)
    """
    return np.array(each_in_parallel(task, members, seed, workers))


def each_in_parallel(
    task: Callable[[np.random.Generator], Made], members: int, seed: int, workers: int = 1
) -> list[Made]:
    """``task(rng)`` for each of ``members``: a closed-form fit, the training of a small network.

    Member ``m`` gets the generator of ``(seed, m)``, so that the result depends neither on ``workers`` nor on
    how many members there are. With more than one worker the task is sent to processes, and what it makes is
    sent back.

    >>> each_in_parallel(lambda rng: rng.random() < 1, members=2, seed=0)
    [True, True]
    """
    checks.whole("members", members, 1)
    checks.whole("seed", seed, 0)
    checks.whole("workers", workers, 1)
    found = Parallel(n_jobs=workers)(delayed(_member)(task, seed, m) for m in range(members))
    return list(found)  # pyright: ignore[reportReturnType]


def _member(task: Callable[[np.random.Generator], Made], seed: int, member: int) -> Made:
    return task(np.random.default_rng(np.random.SeedSequence((seed, member))))
