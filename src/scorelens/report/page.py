"""Sections to one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from scorelens import __version__
from scorelens.report.figure_json import figure_json
from scorelens.report.panel import Section, Slides


def render(
    title: str, subtitle: str, problems: Sequence[str], summary: Sequence[str], sections: Sequence[Section]
) -> str:
    """The page as text. Every string is escaped; the scripts that may run are named by their hash.

    >>> page = render("<b>", "", [], [], [])
    >>> "<b>" in page, "&lt;b&gt;" in page
    (False, True)
    """
    environment = Environment(
        loader=PackageLoader("scorelens.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure_json"] = lambda figure: Markup(figure_json(figure))
    environment.tests["figure"] = lambda content: isinstance(content, go.Figure)
    environment.tests["slides"] = lambda content: isinstance(content, Slides)
    scripts = (Markup(_plotly()), Markup(_static("report.js")))
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=subtitle,
        problems=problems,
        summary=summary,
        sections=sections,
        style=Markup(_static("report.css")),
        scripts=scripts,
        script_hashes=[_hash(script) for script in scripts],
        version=__version__,
    )


@cache
def _static(name: str) -> str:
    return resources.files("scorelens.report").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    return get_plotlyjs()


def _hash(script: str) -> str:
    """The script's hash as a content security policy wants it."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
