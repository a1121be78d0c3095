"""Arrays as PNG images inside a page."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

from scorelens.report.panel import Slide

SHEET_WIDTH, GAP = 420, 4


def contact_sheet(images: np.ndarray, label: str, description: str, columns: int | None = None) -> Slide:
    """A grid of ``images`` (n, channels, height, width) in [-1, 1], each pixel magnified to a square.

    Values outside [-1, 1] are drawn as black or white, non-finite ones as black; gaps are transparent.
    ``channels`` is 1 or 3 (of another number the first is drawn).

    >>> contact_sheet(np.zeros((4, 1, 8, 8)), "step 0", "four images").width
    420
    """
    tiles = _bytes(images)
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    scale = max(1, round((SHEET_WIDTH / columns - GAP) / tiles.shape[2]))
    sheet = _tile(tiles.repeat(scale, axis=1).repeat(scale, axis=2), columns)
    picture = Image.fromarray(sheet, mode="LA" if sheet.shape[-1] == 2 else "RGBA")
    return Slide(label, _address(picture), description, picture.width, picture.height)


def _bytes(images: np.ndarray) -> np.ndarray:
    """(n, channels, height, width) in [-1, 1] -> (n, height, width, 1 or 3) in 0..255."""
    channels = images.shape[1] if images.shape[1] in (1, 3) else 1
    values = np.nan_to_num(images[:, :channels], nan=-1.0, posinf=1.0, neginf=-1.0)
    return (np.clip(127.5 * (values + 1), 0, 255)).round().astype(np.uint8).transpose(0, 2, 3, 1)


def _tile(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles (n, height, width, c) side by side with gaps, and an opacity channel that is 0 in the gaps."""
    n, height, width, channels = tiles.shape
    down, across = height + GAP, width + GAP
    sheet = np.zeros((math.ceil(n / columns) * down - GAP, columns * across - GAP, channels + 1), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * down, (i % columns) * across
        sheet[top : top + height, left : left + width, :-1] = tile
        sheet[top : top + height, left : left + width, -1] = 255
    return sheet


def _address(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
