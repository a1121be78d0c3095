"""The folder of an examination of samples for memorisation: what was compared, and what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from scorelens.core import storage
from scorelens.results import environment
from scorelens.results.dataset_store import DatasetStore, require_empty

FILE = "memorization.json"
FORMAT = 1


@final
@dataclass(frozen=True)
class Examination:
    """A folder made by `Examination.create` or opened by `Examination.open`.

    ``given`` and ``data`` are the samples (or the model) and the data as named on the command line,
    ``options`` what else was asked; ``verdict`` and ``remarks`` are sentences, ``numbers`` named numbers.
    ``datasets.zarr`` holds the rest. ``memorization.json`` is written last, so a folder with it is whole.
    """

    path: Path
    given: str
    data: str
    options: dict[str, Any]
    verdict: tuple[str, ...]
    remarks: tuple[str, ...]
    numbers: tuple[tuple[str, float], ...]
    environment: dict[str, Any]

    @classmethod
    def create(cls, path: str | Path, datasets: dict[str, Any], **facts: Any) -> Examination:
        """Store ``datasets`` and ``facts`` (the other fields) in the folder ``path``, new or empty.

        Raises ``ValueError`` if it holds something already; `StorageError` if it cannot be written.
        """
        folder = Path(path)
        require_empty(folder)
        made = cls(folder, environment=environment.describe(), **facts)
        made.store.prepare()
        for name, dataset in datasets.items():
            made.store.write(name, dataset)
        content = {"format": FORMAT, **facts, "environment": made.environment}
        storage.write_text(folder / FILE, json.dumps(content, indent=1) + "\n")
        return made

    @classmethod
    def open(cls, path: str | Path) -> Examination:
        """Open an existing folder; raises ``ValueError`` if it is none or its description is damaged."""
        file = Path(path) / FILE
        if not file.is_file():
            raise ValueError(f"{path} holds no {FILE}; give a folder that `scorelens memorization` made")
        try:
            content = json.loads(file.read_bytes())
            return cls(
                Path(path),
                str(content["given"]),
                str(content["data"]),
                dict(content["options"]),
                tuple(content["verdict"]),
                tuple(content["remarks"]),
                tuple((str(name), float(value)) for name, value in content["numbers"]),
                dict(content["environment"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is damaged; make the examination again in another folder") from error

    @property
    def store(self) -> DatasetStore:
        """Its Datasets."""
        return DatasetStore(self.path / "datasets.zarr")

    @property
    def spectrum_path(self) -> Path:
        """File of the two leading modes of the training data; only vectors are drawn along them."""
        return self.path / "spectrum.safetensors"

    @property
    def report_path(self) -> Path:
        """File of the page."""
        return self.path / "report.html"


def is_examination(path: str | Path) -> bool:
    """Whether ``path`` is the folder of an examination for memorisation."""
    return (Path(path) / FILE).is_file()
