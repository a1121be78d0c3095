"""Training time on a logarithmic axis that still shows the start, which has no logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import xarray as xr

from scorelens.plots.ticks import log_range, log_ticks, tick_text

START_GAP = 2.5


@final
@dataclass(frozen=True)
class TimeAxis:
    """Logarithmic axis over ``times >= 0``; time 0 is drawn one gap to the left of the first positive time.

    >>> axis = TimeAxis.over([0, 10, 1000])
    >>> axis.position([0, 10, 1000]).tolist()
    [4.0, 10.0, 1000.0]
    >>> axis.settings("step")["ticktext"]
    ['0', '10', '100', '1,000']
    """

    first: float
    last: float
    has_start: bool

    @classmethod
    def over(cls, times: Sequence[float] | np.ndarray) -> TimeAxis:
        """The axis that spans ``times`` (finite, >= 0)."""
        values = np.asarray(times, dtype=float)
        positive = values[values > 0]
        first, last = (positive.min(), positive.max()) if positive.size else (1.0, 1.0)
        return cls(float(first), float(last), bool((values == 0).any()))

    @property
    def start(self) -> float:
        """Where time 0 is drawn."""
        return self.first / START_GAP

    def position(self, times: Any) -> np.ndarray:
        """Coordinates of ``times`` on the axis; what is before the first positive time lies at the start."""
        values = np.asarray(times, dtype=float)
        return np.where(values < self.first, np.where(np.isnan(values), np.nan, self.start), values)

    def settings(self, title: str) -> dict[str, Any]:
        """Plotly settings of the axis: range with a margin, ticks at decades and at the start."""
        ticks = log_ticks(self.first, self.last)
        low, high = log_range([self.start if self.has_start else self.first, self.last])
        return {
            "type": "log",
            "title": {"text": title},
            "range": [low, high],
            "tickvals": ([self.start] if self.has_start else []) + ticks,
            "ticktext": (["0"] if self.has_start else []) + [tick_text(t) for t in ticks],
        }


def edges(centres: np.ndarray, *, log: bool) -> np.ndarray:
    """Cell borders around ascending ``centres``, shape ``(n + 1,)``: midway (in logarithms if ``log``).

    >>> edges(np.array([1.0, 2.0, 4.0]), log=False).tolist()
    [0.5, 1.5, 3.0, 5.0]
    """
    values = np.log(centres) if log else np.asarray(centres, dtype=float)
    if len(values) == 1:
        borders = np.array([values[0] - 0.5, values[0] + 0.5])
    else:
        middle = 0.5 * (values[1:] + values[:-1])
        borders = np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])
    return np.exp(borders) if log else borders


def time_name(dataset: xr.Dataset) -> str:
    """The dimension of training time in ``dataset``: ``step``, or ``flow_time`` in theory alone."""
    return "step" if "step" in dataset.coords else "flow_time"


def time_labels(dataset: xr.Dataset) -> list[str]:
    """What a slider says at each time of ``dataset``.

    >>> time_labels(xr.Dataset(coords={"step": [0, 3000]}))
    ['step 0', 'step 3,000']
    """
    name = time_name(dataset)
    if name == "step":
        return [f"step {int(step):,}" for step in dataset[name].values]
    return [f"dose {dose:.3g}" for dose in dataset[name].values]


def slider_name(dataset: xr.Dataset) -> str:
    """What the slider over the times of ``dataset`` is called."""
    return "training step" if time_name(dataset) == "step" else "training dose"


def time_title(dataset: xr.Dataset) -> str:
    """What to write on the axis of training time."""
    return "training step" if time_name(dataset) == "step" else "training dose T (flow time)"
