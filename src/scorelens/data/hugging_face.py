"""Folders written by ``datasets.save_to_disk``. Nothing is downloaded, no code is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.inspection import require_samples
from scorelens.data.source import FileSource, Selection

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 4096
_DICTIONARY = "dataset_dict.json"
_TABLE = "state.json"


@final
class HuggingFace(FileSource):
    """One column of a saved ``Dataset`` or of one split of a ``DatasetDict``: ``folder:split:column``."""

    name: ClassVar[str] = "hugging-face"
    usage: ClassVar[str] = "path/to/saved:train:image"
    summary: ClassVar[str] = (
        "a folder written by datasets' save_to_disk; split and column may be left out if clear"
    )

    @classmethod
    def accepts(cls, path: Path) -> bool:
        return (path / _DICTIONARY).is_file() or (path / _TABLE).is_file()

    def load(self, selection: Selection) -> Data:
        from scorelens.data import columns

        split, column = self._keys()
        table = self._open(split)
        schema = table.features.arrow_schema
        column = columns.choose(schema, column, f"{self.path.name}:{split}" if split else self.path.name)
        require_samples(self.label, len(table))
        rows = columns.selected_rows(self.label, len(table), selection)
        chosen = table.select_columns([column]).with_format("arrow").select(rows)
        return columns.read(self.label, schema.field(column).type, _arrays(chosen, column), rows)

    def _keys(self) -> tuple[str, str]:
        """Names of the split (empty for a single table) and of the column (empty if not given)."""
        first, _, second = self.key.partition(":")
        if not (self.path / _DICTIONARY).is_file():
            if second:
                raise ValueError(f"{self.path.name} has no splits; write {self.path.name}:{second}")
            return "", first
        splits = sorted(child.name for child in self.path.iterdir() if (child / _TABLE).is_file())
        if first not in splits and not second and len(splits) == 1:
            return splits[0], first
        if not first:
            raise ValueError(
                f"{self.path.name} has {len(splits)} splits ({', '.join(splits) or 'none'}); name one, as in "
                f"{self.path.name}:{'train' if 'train' in splits or not splits else splits[0]}"
            )
        return checks.choice(f"split of {self.path.name}", first, splits), second

    def _open(self, split: str) -> Any:
        import datasets

        try:
            return datasets.Dataset.load_from_disk(str(self.path / split))
        except Exception as error:  # a damaged folder fails in many ways; each means that it is unreadable
            raise self.unreadable("a saved dataset", error) from error


def _arrays(table: Any, column: str) -> Iterator[pa.Array]:
    for start in range(0, len(table), _BATCH):
        chunked = table[start : min(start + _BATCH, len(table))][column]
        yield from (chunk for chunk in chunked.chunks if len(chunk))
