"""What a law can never learn, however long it trains."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.plots.selection import log_spaced
from scorelens.report.evidence import Evidence
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, left_out

TABLE_ROWS = 60


def limits(evidence: Evidence) -> Section:
    """The section on what infinite training ends at, and which modes are stuck before it."""
    forecast = evidence.forecast
    known = forecast is not None and {"optimal_variance", "stuck"} <= set(forecast)
    return Section(
        name="limits",
        short_title="Limits",
        title="What is never learned",
        lead=(
            "The law also says where training ends, if it went on forever. What is then still wrong, no more "
            "training mends: a mode can be stuck where it starts, or the network may be unable to hold it. "
            "The sampler has a share in it too: the dashed line is what the same sampler makes of the best "
            "linear denoiser."
        ),
        panels=(_panel(forecast),) if known else (),  # pyright: ignore[reportArgumentType]
        absent=() if known else ("The run holds no forecast of what training ends at.",),
    )


def _panel(forecast: xr.Dataset) -> Panel:
    caption = (
        "Each point is a mode after infinite training. On the line at 1 the samples vary as the data do; the "
        "gray band goes from 0.8 to 1.25. Triangles lie beyond the axis."
    )
    return Panel("limits-map", "Where every mode ends", caption, plots.limits(forecast), _table(forecast))


def _table(forecast: xr.Dataset) -> Table:
    rows = log_spaced(forecast.sizes["mode"], TABLE_ROWS)
    small = forecast.isel(mode=rows)
    data, limit = small["eigenvalue"].values, small["limit_variance"].values
    columns = {
        "mode": rows + 1,
        "data variance": data,
        "before training": small["start_variance"].values,
        "after infinite training": limit,
        "best linear denoiser": small["optimal_variance"].values,
        "after / data": np.divide(limit, data, out=np.full_like(limit, np.nan), where=data > 0),
        "stuck": small["stuck"].values.astype(bool),
    }
    note = left_out("modes", rows, forecast.sizes["mode"], "datasets.zarr/forecast (there, mode 1 is mode 0)")
    return Table.of_columns("Variance of each mode before and after training", columns, note)
