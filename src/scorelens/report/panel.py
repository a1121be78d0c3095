"""What a page is made of: sections of panels, each one figure or one series of images, with its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import plotly.graph_objects as go

from scorelens.report.table import Table


@final
@dataclass(frozen=True)
class Slide:
    """One image as a ``data:`` address, with the label of its slider position and its description."""

    label: str
    address: str
    description: str
    width: int
    height: int


@final
@dataclass(frozen=True)
class Slides:
    """Images of which one is shown at a time; ``name`` is the slider's (a single image needs no slider)."""

    name: str
    slides: tuple[Slide, ...]


@final
@dataclass(frozen=True)
class Panel:
    """One figure: ``caption`` says how to read it, ``table`` holds its numbers; ``name`` is its address.

    Two successive panels that are ``half`` share a row where there is room.
    """

    name: str
    title: str
    caption: str
    content: go.Figure | Slides
    table: Table
    half: bool = False


@final
@dataclass(frozen=True)
class Section:
    """A chapter of the page.

    ``absent`` says, in sentences, what the run does not hold; ``code`` is a command, ``notes`` follow it;
    ``links`` are (text, relative address).
    """

    name: str
    short_title: str
    title: str
    lead: str
    panels: tuple[Panel, ...] = ()
    tables: tuple[Table, ...] = ()
    absent: tuple[str, ...] = ()
    code: str = ""
    notes: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
