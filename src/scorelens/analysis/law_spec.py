"""How people write a learning law: ``name``, ``name:value`` or ``name:value,option=number,flag``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from scorelens.core import checks

Values = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Option:
    """One option of a law: its ``default`` (None: it must be given), how it is ``read``, what is ``allowed``.

    ``read`` turns the text into the value and raises ``ValueError`` for what is not ``allowed``.
    """

    default: Any
    read: Callable[[str], Any]
    allowed: str


@final
@dataclass(frozen=True)
class Grammar:
    """What may stand behind the ``name`` of a law; ``value`` is the option that needs no name."""

    name: str
    usage: str
    options: Mapping[str, Option] = field(default_factory=dict)
    value: str | None = None

    def parse(self, items: list[str]) -> dict[str, Any]:
        """The values of all options. Raises ``ValueError`` saying what was given and what is allowed."""
        texts: dict[str, str] = {}
        for item in items:
            key, text = self._key_and_text(item)
            if key in texts:
                raise ValueError(f"{key} of law {self.name} is given twice; give it once")
            texts[key] = text
        return {key: self._value(key, texts.get(key)) for key in self.options}

    def is_flag(self, item: str) -> bool:
        """Whether ``item`` is an option that is given by its name alone."""
        return item in self.options and isinstance(self.options[item].default, bool)

    def _key_and_text(self, item: str) -> tuple[str, str]:
        key, equals, text = (part.strip() for part in item.partition("="))
        if equals:
            if not self.options:
                raise ValueError(f"law {self.name} takes no options, got {item!r}; write it as {self.usage}")
            checks.choice(f"option of law {self.name}", key, self.options)
            return key, text
        if self.is_flag(key):
            return key, "yes"
        if key in self.options and key != self.value:
            raise ValueError(f"option {key} of law {self.name} needs a value; write it as {key}=...")
        if self.value is None:
            raise ValueError(f"law {self.name} takes no {item!r}; write it as {self.usage}")
        return self.value, key

    def _value(self, key: str, text: str | None) -> Any:
        option = self.options[key]
        if text is None:
            if option.default is None:
                raise ValueError(f"law {self.name} needs its {key}; write it as {self.usage}")
            return option.default
        try:
            return option.read(text)
        except ValueError:
            raise ValueError(f"{key} of law {self.name} must be {option.allowed}, got {text!r}") from None


def split(spec: str) -> tuple[str, list[str]]:
    """The name and what follows it, at colons and commas alike.

    >>> split("deep:3,tied")
    ('deep', ['3', 'tied'])
    """
    name, *items = (part.strip() for part in re.split("[:,]", spec))
    return name, items


def number(default: float) -> Option:
    """Any finite number."""
    return Option(default, _finite, "a finite number")


def non_negative(default: float, why: str) -> Option:
    """A number >= 0; ``why`` says what makes a negative one impossible."""
    return Option(default, lambda text: _where(_finite(text), lambda v: v >= 0), f">= 0 ({why})")


def not_zero(default: float, why: str) -> Option:
    """A number that is not 0."""
    return Option(
        default, lambda text: _where(_finite(text), lambda v: v != 0), f"a number other than 0 ({why})"
    )


def whole(default: int | None, least: int, most: int) -> Option:
    """A whole number from ``least`` to ``most``."""
    return Option(
        default,
        lambda text: _where(int(text), lambda v: least <= v <= most),
        f"a whole number from {least} to {most}",
    )


def flag() -> Option:
    """Off unless its name is written."""
    words = {"yes": True, "true": True, "no": False, "false": False}

    def read(text: str) -> bool:
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]

    return Option(False, read, "yes or no")


def odd_shape() -> Option:
    """Rows and columns of a filter, both odd: ``5x5``."""

    def read(text: str) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+)x(\d+)", text)
        if found is None or not all(int(size) % 2 for size in found.groups()):
            raise ValueError(text)
        return int(found[1]), int(found[2])

    return Option(None, read, "rows x columns, both odd, as 5x5 (an even filter has no centre)")


def _finite(text: str) -> float:
    return _where(float(text), math.isfinite)


def _where(value: Any, holds: Callable[[Any], bool]) -> Any:
    if not holds(value):
        raise ValueError(value)
    return value
