"""What a source of data is, which samples are selected from it, and options written in a spec."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np

from scorelens.core import checks
from scorelens.data.base import Data


@final
@dataclass(frozen=True)
class Selection:
    """Which samples are wanted: all of them, or ``n_samples`` drawn without replacement from ``seed``.

    >>> Selection(3, seed=0).rows(1000)
    array([511, 636, 848])
    """

    n_samples: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_samples is not None:
            checks.at_least("n_samples", self.n_samples, 2, "one sample has no variance")
        checks.at_least("seed", self.seed, 0)

    def rows(self, total: int, name: str = "the data", remedy: str = "") -> np.ndarray | None:
        """Ascending row numbers out of ``total``, or None for all.

        Raises ``ValueError`` if there are fewer samples than asked.
        """
        if self.n_samples is None or self.n_samples == total:
            return None
        if self.n_samples > total:
            raise ValueError(
                f"{self.n_samples} samples asked, but {name} has {total}; "
                f"ask for at most {total} {remedy}".rstrip()
            )
        drawn = np.random.default_rng(self.seed).choice(total, self.n_samples, replace=False)
        return np.sort(drawn)


class Source(ABC):
    """Where x_0 comes from. ``usage`` shows how the user writes it, ``summary`` says what it is."""

    name: ClassVar[str]
    usage: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def load(self, selection: Selection) -> Data:
        """The selected samples."""


class NamedSource(Source):
    """A source written ``name:option=value,...``; a subclass is a frozen dataclass of its options."""

    @classmethod
    def parse(cls, options: str) -> Self:
        """Read ``option=value,...`` (possibly empty).

        Raises ``ValueError`` for an unknown, malformed or repeated option.
        """
        defaults = {f.name: f.default for f in fields(cls)}  # pyright: ignore[reportArgumentType]
        given: dict[str, Any] = {}
        for item in options.split(",") if options else ():
            key, equals, text = (part.strip() for part in item.partition("="))
            if not defaults:
                raise ValueError(f"{cls.name} takes no options, got {item!r}; write it as {cls.usage}")
            if not (key and equals and text):
                raise ValueError(f"malformed option {item!r} of {cls.name}; write it as in {cls.usage}")
            checks.choice(f"option of {cls.name}", key, defaults)
            if key in given:
                raise ValueError(f"option {key!r} of {cls.name} is given twice; give it once")
            given[key] = _converted(key, text, type(defaults[key]))
        return cls(**given)

    @property
    def spec(self) -> str:
        """How this source is written: its name and the options that differ from their defaults."""
        options = {
            f.name: getattr(self, f.name)
            for f in fields(self)  # pyright: ignore[reportArgumentType]
            if getattr(self, f.name) != f.default
        }
        return ":".join([self.name, ",".join(f"{k}={v}" for k, v in options.items())]).rstrip(":")


class FileSource(Source):
    """A source read from a file or folder; ``key`` names the array, column or split inside it."""

    def __init__(self, path: Path, key: str = "") -> None:
        self.path = path
        self.key = key

    @property
    def label(self) -> str:
        """How messages and reports call it: the file's name, and the key if one was given."""
        name = self.path.absolute().name or str(self.path)
        return f"{name}:{self.key}" if self.key else name

    @classmethod
    @abstractmethod
    def accepts(cls, path: Path) -> bool:
        """Whether the existing ``path`` is of this source's format."""

    def refuse_key(self) -> None:
        """Raise ``ValueError`` if a key was given to a format that holds one thing only."""
        if self.key:
            raise ValueError(
                f"{self.path.name} has nothing named {self.key!r} to choose; write only {self.path.name}"
            )

    def unreadable(self, what: str, error: Exception) -> ValueError:
        """The refusal of a file that is damaged or not ``what`` its name says."""
        return ValueError(
            f"{self.path} cannot be read as {what}: {str(error) or type(error).__name__}; "
            "it may be truncated or of another format: write or copy it again"
        )


def _converted(key: str, text: str, kind: type) -> Any:
    try:
        if kind is int and float(text) == int(float(text)):
            return int(float(text))
        if kind is not int:
            return kind(text)
    except (ValueError, OverflowError):
        pass
    wanted = "an integer" if kind is int else "a number"
    raise ValueError(f"option {key} must be {wanted}, got {text!r}")
