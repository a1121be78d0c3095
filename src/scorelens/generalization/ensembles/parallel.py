"""The same random task for every member of an ensemble, on any number of processes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from joblib import Parallel, delayed

from scorelens.core import checks

Task = Callable[[np.random.Generator], np.ndarray]


def in_parallel(task: Task, members: int, seed: int, workers: int = 1) -> np.ndarray:
    """``task(rng)`` for each of ``members``, stacked; ``(members, ...)``.

    Member ``m`` gets the generator of ``(seed, m)``, so that the result depends neither on ``workers`` nor on
    how many members there are. With more than one worker the task is sent to processes, and may be any
    callable: a closed-form fit or the training of a small network.

    >>> in_parallel(lambda rng: rng.random(2), members=3, seed=0).shape
    (3, 2)
    """
    checks.whole("members", members, 1)
    checks.whole("seed", seed, 0)
    checks.whole("workers", workers, 1)
    found = Parallel(n_jobs=workers)(delayed(_member)(task, seed, m) for m in range(members))
    return np.array(list(found))


def _member(task: Task, seed: int, member: int) -> np.ndarray:
    return task(np.random.default_rng(np.random.SeedSequence((seed, member))))
