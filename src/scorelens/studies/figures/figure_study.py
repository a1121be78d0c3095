"""What a study that redraws a figure of the theory is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import product
from typing import ClassVar

import xarray as xr

from scorelens.report.panel import Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table, text

Data = Mapping[str, xr.Dataset]


class FigureStudy(ABC):
    """A figure or table of a paper, computed by the library; its members are registered in `figures.ALL`.

    ``compute`` alone computes; ``findings`` and ``sections`` read what it returned, so that the page is made
    again from a folder that holds nothing else.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    claim: ClassVar[Claim]

    @abstractmethod
    def compute(self) -> dict[str, xr.Dataset]:
        """Labelled Datasets by name, as `scorelens.results.schema` wants them."""

    @abstractmethod
    def findings(self, data: Data) -> Findings:
        """What agrees with the paper and what does not, with numbers from ``data``."""

    @abstractmethod
    def sections(self, data: Data) -> tuple[Section, ...]:
        """The figures with their captions and tables."""


def table_by_mode(caption: str, values: xr.DataArray, rows: Mapping[str, str], note: str = "") -> Table:
    """A table of ``values`` with a column per mode and a row per combination of ``rows`` (dimension -> name).

    >>> values = xr.DataArray([[1.0, 2.0]], dims=("law", "mode"), coords={"law": ["one"]})
    >>> table_by_mode("T", values.assign_coords(eigenvalue=("mode", [9.0, 0.5])), {"law": "network"}).rows
    (('one', '1', '2'),)
    """
    ordered = values.transpose(*rows, "mode")
    labels = product(*(values[dimension].values.tolist() for dimension in rows))
    cells = ordered.values.reshape(-1, values.sizes["mode"])
    header = (*rows.values(), *(f"variance {float(v):.3g}" for v in values["eigenvalue"].values))
    lines = tuple(
        (*map(text, label), *(text(float(v)) for v in line))
        for label, line in zip(labels, cells, strict=True)
    )
    return Table(caption, header, lines, note)
