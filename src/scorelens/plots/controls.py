"""What a reader may change in a figure, kept in the figure: a slider over frames and a choice of views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

View = tuple[Sequence[bool], Mapping[str, Any]]
"""Visibility of every trace, and changes of the layout such as ``{"yaxis.range": [0, 1]}``."""


def add_slider(
    figure: go.Figure, name: str, frames: Mapping[str, Sequence[Any]], traces: Sequence[int]
) -> None:
    """Let a slider called ``name`` replace the traces at the indices ``traces`` by those of a frame.

    ``frames`` maps the label of each slider position to that position's traces; the last is shown first.
    """
    figure.frames = [
        go.Frame(name=label, data=list(data), traces=list(traces)) for label, data in frames.items()
    ]
    _remember(figure, slider=name)


def add_views(figure: go.Figure, name: str, views: Mapping[str, View]) -> None:
    """Let the reader choose between ``views`` by their labels; the first is shown first."""
    visibility, changes = next(iter(views.values()))
    for index, visible in enumerate(visibility):
        figure.update_traces(visible=visible, selector=index)
    figure.update_layout(dict(changes))
    listed = [
        {"label": label, "visible": list(visible), "layout": dict(layout)}
        for label, (visible, layout) in views.items()
    ]
    _remember(figure, choice=name, views=listed)


def axis_change(axis: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` of an axis as a change of the layout that a view may hold.

    >>> axis_change("yaxis", {"title": {"text": "loss"}, "range": [0, 1]})
    {'yaxis.title.text': 'loss', 'yaxis.range': [0, 1]}
    """
    title = {f"{axis}.title.text": settings["title"]["text"]}
    return title | {f"{axis}.{key}": value for key, value in settings.items() if key != "title"}


def _remember(figure: go.Figure, **facts: Any) -> None:
    known = figure.to_dict()["layout"].get("meta", {})
    figure.update_layout(meta={**known, **facts})
