"""The look that all figures share: colours that colour-blind readers tell apart, on light and dark paper."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from scorelens.plots.ticks import log_range, log_ticks, tick_text

# Mid-luminance variants of the Okabe-Ito colours: at least 3:1 against white and against near-black.
BLUE, VERMILION, GREEN, OCHRE, PURPLE, GREY = "#3a7bd0", "#d5603a", "#27957a", "#b08512", "#9b68c0", "#858c99"

# Marks on top of a heatmap: each has the other's colour as its rim, so both show on any paper.
INK, PAPER = "#111318", "#ffffff"

MODE_COLOURS = ("#3465c9", "#2f8fc4", "#1f9a94", "#4f9a4a", "#a58b16", "#cf7a22", "#d0563f", "#c0498a")
MODE_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "hexagon")

DIVERGING = (
    (0.0, "#17488f"),
    (0.25, "#6ba3d6"),
    (0.5, "#f2f1ec"),
    (0.75, "#e59463"),
    (1.0, "#96280f"),
)
SEQUENTIAL = (
    (0.0, "#f4f3ea"),
    (0.25, "#a9d3c6"),
    (0.5, "#4b9fae"),
    (0.75, "#2b6194"),
    (1.0, "#22265c"),
)

FONT = (
    "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
)
TICK_SIZE = 12


def figure(height: int = 420) -> go.Figure:
    """An empty figure in the common style; the page sets its ink and grid colours.

    >>> figure(height=300).layout.height
    300
    """
    return dressed(go.Figure(), height)


def dressed(drawn: go.Figure, height: int) -> go.Figure:
    """``drawn`` (and all its axes) put into the common style, in place."""
    drawn.update_layout(
        template="none",
        height=height,
        margin={"l": 64, "r": 16, "t": 16, "b": 56},
        font={"family": FONT, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
    )
    drawn.update_xaxes(**_axis())
    drawn.update_yaxes(**_axis())
    return drawn


def legend_below(drawn: go.Figure) -> None:
    """Put the legend at the lower end of ``drawn``, whatever its height."""
    drawn.update_layout(legend={"yref": "container", "y": 0, "yanchor": "bottom"})


def log_axis(title: str, values: Any, margin: float = 0.04, **more: Any) -> dict[str, Any]:
    """Settings of a logarithmic axis that spans the positive ones of ``values``."""
    low, high = log_range(values, margin)
    ticks = log_ticks(10**low, 10**high)
    return {
        "type": "log",
        "title": {"text": title},
        "range": [low, high],
        "tickvals": ticks,
        "ticktext": [tick_text(t) for t in ticks],
        **more,
    }


def linear_axis(title: str, **more: Any) -> dict[str, Any]:
    """Settings of a linear axis."""
    return {"type": "linear", "title": {"text": title}, **more}


def colour_bar(**more: Any) -> dict[str, Any]:
    """A colour bar above the figure: beside it, it would take a phone's width. See `colour_title`."""
    return {
        "orientation": "h",
        "x": 0.5,
        "y": 1.0,
        "ypad": 7,
        "yanchor": "bottom",
        "len": 1.0,
        "thickness": 12,
        "tickfont": {"size": TICK_SIZE},
        "outlinewidth": 0,
        **more,
    }


def colour_title(text: str) -> dict[str, Any]:
    """An annotation above the colour bar (plotly's own title there misplaces the titles of the axes)."""
    place = {"xref": "paper", "x": 0.5, "xanchor": "center", "yref": "paper", "y": 1.0, "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "yshift": 41, "font": {"size": 13}, **place}


def mode_colours(n: int) -> list[str]:
    """``n <= 8`` colours from the largest mode (blue) to the smallest (magenta), spread over the palette.

    >>> mode_colours(2)
    ['#3465c9', '#c0498a']
    """
    return [MODE_COLOURS[i] for i in _spread(n)]


def mode_symbols(n: int) -> list[str]:
    """Marker symbols to go with `mode_colours`."""
    return [MODE_SYMBOLS[i] for i in _spread(n)]


def _spread(n: int) -> list[int]:
    last = len(MODE_COLOURS) - 1
    return [round(i * last / (n - 1)) if n > 1 else 0 for i in range(n)]


def _axis() -> dict[str, Any]:
    return {
        "tickfont": {"size": TICK_SIZE},
        "title": {"standoff": 10, "font": {"size": 13}},
        "showline": True,
        "linewidth": 1,
        "zeroline": False,
        "showgrid": True,
        "gridwidth": 1,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
    }
