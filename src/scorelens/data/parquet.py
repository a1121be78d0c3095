"""Parquet files in the Hugging Face image layout, or with a column of lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from scorelens.data.base import Data
from scorelens.data.inspection import require_samples
from scorelens.data.source import FileSource, Selection

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_BATCH = 4096


@final
class Parquet(FileSource):
    """One column: images (struct of ``bytes`` and ``path``, or binary), or lists of numbers of one shape."""

    name: ClassVar[str] = "parquet"
    usage: ClassVar[str] = "images.parquet:image"
    summary: ClassVar[str] = (
        "a column of encoded images (Hugging Face layout) or of lists; its name may be left out if clear"
    )

    @classmethod
    def accepts(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() == ".parquet"

    def load(self, selection: Selection) -> Data:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        from scorelens.data import columns

        try:
            with ParquetFile(self.path) as file:
                column = columns.choose(file.schema_arrow, self.key, self.path.name)
                total = file.metadata.num_rows
                require_samples(self.label, total)
                rows = columns.selected_rows(self.label, total, selection)
                kind = file.schema_arrow.field(column).type
                return columns.read(self.label, kind, _selected(file, column, rows), rows)
        except (pa.ArrowException, OSError) as error:
            raise self.unreadable("Parquet", error) from error


def _selected(file: ParquetFile, column: str, rows: np.ndarray) -> Iterator[pa.Array]:
    """The column's values at ``rows`` (ascending), group by group of rows, skipping those not needed."""
    start = 0
    for group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        if np.searchsorted(rows, start) < np.searchsorted(rows, stop):
            yield from _selected_in_group(file, column, rows, group, start)
        start = stop


def _selected_in_group(
    file: ParquetFile, column: str, rows: np.ndarray, group: int, start: int
) -> Iterator[pa.Array]:
    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=[column]):
        first, last = np.searchsorted(rows, [start, start + batch.num_rows])
        if first < last:
            yield batch.column(0).take(rows[first:last] - start)
        start += batch.num_rows
