"""A folder of results other than a run: a record of what was done beside its Datasets, and a page."""

from __future__ import annotations

import json
from abc import ABC
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorelens.core import storage
from scorelens.core.spectrum import Spectrum
from scorelens.results import environment
from scorelens.results.dataset_store import DatasetStore, require_empty

UNFINISHED = "unfinished.txt"


class ResultFolder(BaseModel, ABC):
    """A folder made by ``create`` or opened by ``open``; its fields are those of its record file.

    The record is written last, so a folder that has it is whole. The page, ``report.html``, is made from the
    folder alone.

    To add a kind of folder: a final subclass with its facts (``file``, ``noun``, ``made_by``) and the fields
    of its record, in a file of its own; its name in ``results/__init__.py`` and `results.kinds.KINDS`; the
    function from a folder to the written page, with a line in the table `scorelens.cli.pages.PAGES`.
    ``scorelens report`` follows.

    >>> import tempfile
    >>> from typing import final
    >>> @final
    ... class Count(ResultFolder):
    ...     file: ClassVar[str] = "count.json"
    ...     noun: ClassVar[str] = "count"
    ...     made_by: ClassVar[str] = "scorelens count DATA"
    ...     n_samples: int
    >>> folder = Count.create(tempfile.mkdtemp(), {}, n_samples=3).path
    >>> Count.holds(folder), Count.open(folder).n_samples
    (True, 3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: ClassVar[str]
    """Name of the record; no other kind has it."""
    noun: ClassVar[str]
    """What such a result is called in messages."""
    made_by: ClassVar[str]
    """The command that makes it."""
    datasets: ClassVar[str] = "datasets.zarr"
    """Name of the store of Datasets."""
    in_steps: ClassVar[bool] = False
    """Whether parts are written before ``create``; ``begin`` then marks the folder until it is whole."""

    path: Path = Field(exclude=True)
    environment: dict[str, Any]

    @classmethod
    def create(
        cls, path: str | Path, datasets: dict[str, Any], *, spectrum: Spectrum | None = None, **record: Any
    ) -> Self:
        """Store the labelled ``datasets``, a ``spectrum`` of the data and, last, the ``record``.

        Raises ``ValueError`` if the folder holds something already (unless it is made in steps) and
        `StorageError` if it cannot be written.
        """
        folder = Path(path)
        if not cls.in_steps:
            require_empty(folder)
        made = cls(path=folder, environment=environment.describe(), **record)
        if spectrum is not None:
            spectrum.save(made.spectrum_path)
        made.store.prepare()
        for name, dataset in datasets.items():
            made.store.write(name, dataset)
        content = made.model_dump(mode="json")
        content["environment"] = content.pop("environment")  # after what was done
        storage.write_text(folder / cls.file, json.dumps(content, indent=1) + "\n")
        storage.remove(folder / UNFINISHED)
        return made

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing folder; raises ``ValueError`` if it is none or its record is damaged."""
        file = Path(path) / cls.file
        if not file.is_file():
            cls.refuse_unfinished(path)
            raise ValueError(f"{path} holds no {cls.file}; give a folder that `{cls.made_by}` made")
        try:
            return cls.model_validate({**json.loads(file.read_bytes()), "path": Path(path)})
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{file} is damaged ({what_is_wrong(error)}); make the {cls.noun} again in another folder"
            ) from error

    @classmethod
    def holds(cls, path: str | Path) -> bool:
        """Whether ``path`` is a whole folder of this kind."""
        return (Path(path) / cls.file).is_file()

    @classmethod
    def begin(cls, path: str | Path) -> None:
        """Mark ``path`` as a folder that is being made in steps; ``create`` unmarks it."""
        storage.write_text(
            Path(path) / UNFINISHED,
            f"{with_article(cls.noun).capitalize()} is being made here. "
            "If no process works at it, delete this folder and run it again.\n",
        )

    @classmethod
    def refuse_unfinished(cls, path: str | Path) -> None:
        """Raise ``ValueError`` if ``path`` was begun as a folder of this kind and is not whole."""
        if cls.in_steps and (Path(path) / UNFINISHED).is_file() and not cls.holds(path):
            raise ValueError(
                f"{path} holds {with_article(cls.noun)} that did not finish (unless it still runs); delete "
                f"the folder and make the {cls.noun} again"
            )

    @property
    def store(self) -> DatasetStore:
        """Its Datasets."""
        return DatasetStore(self.path / self.datasets)

    @property
    def spectrum_path(self) -> Path:
        """File of the spectrum of the data, of kinds that have one."""
        return self.path / "spectrum.safetensors"

    @property
    def report_path(self) -> Path:
        """File of the page."""
        return self.path / "report.html"


def what_is_wrong(error: Exception) -> str:
    """Where a record broke its model first, and how, for a message.

    >>> what_is_wrong(ValueError("Expecting value"))
    'the file: Expecting value'
    """
    if not isinstance(error, ValidationError):
        return f"the file: {error}"
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"


def with_article(noun: str) -> str:
    """``noun`` after its article, for a message."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
