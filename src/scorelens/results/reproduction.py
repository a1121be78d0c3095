"""The folder of a reproduced figure: which study made it, with what, and its Datasets; the page follows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from scorelens.core import storage
from scorelens.results import environment
from scorelens.results.dataset_store import DatasetStore, require_empty

FILE = "reproduction.json"
FORMAT = 1


@final
@dataclass(frozen=True)
class Reproduction:
    """A folder made by `Reproduction.create` or opened by `Reproduction.open`.

    ``reproduction.json`` names the ``study``, the ``seconds`` its computation took and the ``environment`` it
    ran in; ``datasets.zarr`` holds what it computed. It is written last, so a folder that has it is whole.
    """

    path: Path
    study: str
    seconds: float
    environment: dict[str, Any]

    @classmethod
    def create(cls, path: str | Path, study: str, seconds: float, datasets: dict[str, Any]) -> Reproduction:
        """Store the labelled ``datasets`` of ``study`` in the new or empty folder ``path``.

        Raises ``ValueError`` if it holds something already; `StorageError` if it cannot be written.
        """
        folder = Path(path)
        require_empty(folder)
        made = cls(folder, study, seconds, environment.describe())
        made.store.prepare()
        for name, dataset in datasets.items():
            made.store.write(name, dataset)
        content = {
            "format": FORMAT,
            "study": study,
            "seconds": round(seconds, 2),
            "environment": made.environment,
        }
        storage.write_text(folder / FILE, json.dumps(content, indent=1) + "\n")
        return made

    @classmethod
    def open(cls, path: str | Path) -> Reproduction:
        """Open an existing folder; raises ``ValueError`` if it is none or its description is damaged."""
        file = Path(path) / FILE
        if not file.is_file():
            raise ValueError(
                f"{path} holds no {FILE}; give a folder that `scorelens reproduce NAME --out FOLDER` made"
            )
        try:
            content = json.loads(file.read_bytes())
            return cls(
                Path(path), str(content["study"]), float(content["seconds"]), dict(content["environment"])
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is damaged; make the reproduction again in another folder") from error

    @property
    def store(self) -> DatasetStore:
        """Its Datasets."""
        return DatasetStore(self.path / "datasets.zarr")

    @property
    def report_path(self) -> Path:
        """File of the page."""
        return self.path / "report.html"


def is_reproduction(path: str | Path) -> bool:
    """Whether ``path`` is the folder of a reproduced figure rather than that of a run."""
    return (Path(path) / FILE).is_file()
