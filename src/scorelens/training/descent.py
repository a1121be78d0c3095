"""Full-batch gradient descent of a twin on exact moments: what the laws of learning are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from scorelens.core import checks
from scorelens.networks.twins import Twin
from scorelens.objectives.exact_moments import exact_loss


class DescentRecord(NamedTuple):
    """Where a twin was on its way, in float64: ``steps (k,)``, ``flow_times (k,)``, matrices of the denoiser
    ``weights (k, s, d, d)``, ``biases (k, s, d)`` and ``losses (k, s)``."""

    steps: np.ndarray
    flow_times: np.ndarray
    weights: np.ndarray
    biases: np.ndarray
    losses: np.ndarray


def descend(
    twin: Twin,
    covariance: Any,
    mean: Any = None,
    *,
    learning_rate: float,
    n_steps: int,
    record: Iterable[int] | None = None,
) -> DescentRecord:
    """Train ``twin`` in place by ``n_steps`` of plain gradient descent on its exact loss over data of this
    ``covariance (d, d)`` and ``mean (d,)`` (zero unless given).

    The losses of all noise levels are summed, each its own sum over coordinates, so that
    ``flow_time = 2 * learning_rate * steps`` at every level. As the learning rate goes to 0 at a fixed flow
    time the twin comes to its law, with an error in proportion to the learning rate; one layer needs
    ``learning_rate < 1 / (largest sigma^2 + largest eigenvalue)`` to converge at all (learning dynamics
    (2.4)).

    ``record`` are the steps at which to record, the last one unless given. Raises ``ValueError`` for steps
    outside ``0 <= step <= n_steps``, a learning rate that is not positive, and a learning rate at which the
    descent diverges.

    >>> from scorelens.networks.twins import OneLayerTwin
    >>> twin = OneLayerTwin.aligned([0.5], np.eye(2))
    >>> made = descend(twin, np.diag([1.0, 0.25]), learning_rate=0.01, n_steps=1000)
    >>> made.weights[0, 0].diagonal().round(3)
    array([0.8, 0.5])
    """
    checks.positive("learning_rate", learning_rate)
    checks.at_least("n_steps", n_steps, 0)
    wanted = _steps(record, n_steps)
    loss, rows = exact_loss(twin.loss, covariance, mean), []
    for step in range(n_steps + 1):
        losses = loss(*twin.trained_map(), twin.sigmas)
        if step in wanted:
            rows.append([_copied(value) for value in (twin.matrix(), twin.bias(), losses)])
        if step < n_steps:
            _move(list(twin.parameters()), losses.sum(), learning_rate)
    _check_finite(losses, n_steps, learning_rate)
    weights, biases, values = (np.stack(column) for column in zip(*rows, strict=True))
    steps = np.array(sorted(wanted))
    return DescentRecord(steps, 2.0 * learning_rate * steps, weights, biases, values)


def _steps(record: Iterable[int] | None, n_steps: int) -> set[int]:
    wanted = {n_steps} if record is None else set(record)
    if not wanted or not wanted <= set(range(n_steps + 1)):
        raise ValueError(f"record must hold steps from 0 to {n_steps}, got {sorted(wanted)}")
    return wanted


def _move(parameters: list[nn.Parameter], total: torch.Tensor, learning_rate: float) -> None:
    gradients = torch.autograd.grad(total, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(gradient, alpha=learning_rate)


def _copied(value: torch.Tensor) -> np.ndarray:
    return value.detach().cpu().double().numpy().copy()


def _check_finite(losses: torch.Tensor, step: int, learning_rate: float) -> None:
    if not bool(torch.isfinite(losses).all()):
        raise ValueError(
            f"the descent diverged within {step} steps: take a learning_rate well below {learning_rate:g}, "
            "for one layer below 1 / (largest sigma^2 + largest eigenvalue of the covariance)"
        )
