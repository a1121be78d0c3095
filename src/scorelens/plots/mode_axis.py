"""The axis of modes of a heatmap: every mode alike while there are few, logarithmic when there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import xarray as xr

from scorelens.plots import style
from scorelens.plots.selection import log_spaced
from scorelens.plots.ticks import log_ticks, tick_text
from scorelens.plots.time_axis import edges

LINEAR_UP_TO = 64
LINEAR_RANKS_UP_TO = 12
TITLE = "mode (1 = largest variance)"


@final
@dataclass(frozen=True)
class ModeAxis:
    """Axis over the ranks 1 to ``n_modes``, the largest variance on top.

    >>> ModeAxis(3).cells(np.array([0, 1, 2])).tolist()
    [0.5, 1.5, 2.5, 3.5]
    """

    n_modes: int

    @property
    def is_log(self) -> bool:
        """Whether the axis is logarithmic."""
        return self.n_modes > LINEAR_UP_TO

    def cells(self, modes: np.ndarray) -> np.ndarray:
        """Borders of the rows that show ``modes`` (counted from 0), shape ``(n + 1,)``."""
        return edges(np.asarray(modes) + 1.0, log=self.is_log)

    def coordinate(self, rank: float) -> float:
        """``rank`` in the units that annotations need (decades on a logarithmic axis)."""
        return float(np.log10(rank)) if self.is_log else float(rank)

    def settings(self) -> dict[str, Any]:
        """Plotly settings of the axis."""
        low, high = self.coordinate(0.72 if self.is_log else 0.5), self.coordinate(self.n_modes + 0.5)
        if self.is_log:
            ticks = log_ticks(1, self.n_modes)
            labels = [tick_text(tick) for tick in ticks]
            title = {"text": TITLE}
            return {
                "type": "log",
                "title": title,
                "range": [high, low],
                "tickvals": ticks,
                "ticktext": labels,
            }
        return style.linear_axis(
            TITLE, range=[high, low], **({"dtick": 1} if self.n_modes <= LINEAR_RANKS_UP_TO else {})
        )


def rank_axis(n_modes: int) -> dict[str, Any]:
    """Settings of a horizontal axis over the ranks 1 to ``n_modes``, with whole numbers as ticks.

    >>> rank_axis(200)["ticktext"], rank_axis(2)["dtick"]
    (['1', '10', '100'], 1)
    """
    if n_modes <= LINEAR_RANKS_UP_TO:
        return style.linear_axis(TITLE, range=[0.6, n_modes + 0.4], dtick=1)
    return style.log_axis(TITLE, [1, n_modes])


def thinned(dataset: xr.Dataset, count: int) -> xr.Dataset:
    """``dataset`` at ``count`` log-spaced modes at most."""
    return dataset.isel(mode=log_spaced(dataset.sizes["mode"], count))
