"""A figure as JSON that is small and safe inside a page."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

DIGITS = 5
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def figure_json(figure: go.Figure) -> str:
    """``figure`` with its frames, numbers rounded to five significant digits, missing ones as ``null``.

    >>> figure_json(go.Figure(go.Scatter(y=[1 / 3, float("nan")])))
    '{"data":[{"y":[0.33333,null],"type":"scatter"}],"layout":{},"frames":[]}'
    """
    content = figure.to_plotly_json()
    parts = {"data": content["data"], "layout": _without_template(content["layout"])}
    frames = [frame.to_plotly_json() for frame in figure.frames]
    return script_json({**parts, "frames": frames})


def script_json(content: Any) -> str:
    """``content`` as JSON that may stand inside a ``<script>`` element: nothing in it can end the element."""
    written = json.dumps(_plain(content), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character, escape in _ESCAPES.items():
        written = written.replace(character, escape)
    return written


def _without_template(layout: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in layout.items() if key != "template"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() >= {"dtype", "bdata"}:
        return _plain(_decoded(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return _rounded(value)
    return value


def _decoded(packed: dict[str, Any]) -> np.ndarray:
    """The array that plotly packed in base64 (which would take more room than five digits do)."""
    flat = np.frombuffer(base64.b64decode(packed["bdata"]), dtype=packed["dtype"])
    shape = tuple(int(n) for n in str(packed.get("shape", flat.size)).split(","))
    return flat.reshape(shape)


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
