"""How people write a law or an estimator: ``name``, ``name:value`` or ``name:value,option=number,flag``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from scorelens.core import checks

#: Default of an option that must be given.
REQUIRED: Any = object()


@final
@dataclass(frozen=True)
class Option:
    """One option: its ``default`` (may be `REQUIRED`), how it is ``read`` and what is ``allowed``.

    ``read`` turns the text into the value and raises ``ValueError`` for what is not ``allowed``.
    """

    default: Any
    read: Callable[[str], Any]
    allowed: str


@final
@dataclass(frozen=True)
class Grammar:
    """What may stand behind a ``name``; ``value`` is the option that needs no name of its own.

    ``noun`` says in messages what is named: a law, an estimator.
    """

    name: str
    usage: str
    options: Mapping[str, Option] = field(default_factory=dict)
    value: str | None = None
    noun: str = "law"

    def parse(self, items: list[str]) -> dict[str, Any]:
        """The values of all options. Raises ``ValueError`` saying what was given and what is allowed."""
        texts: dict[str, str] = {}
        for item in items:
            key, text = self._key_and_text(item)
            if key in texts:
                raise ValueError(f"{key} of {self._called} is given twice; give it once")
            texts[key] = text
        return {key: self._value(key, texts.get(key)) for key in self.options}

    def is_flag(self, item: str) -> bool:
        """Whether ``item`` is an option that is given by its name alone."""
        return item in self.options and isinstance(self.options[item].default, bool)

    @property
    def _called(self) -> str:
        return f"{self.noun} {self.name}"

    def _key_and_text(self, item: str) -> tuple[str, str]:
        key, equals, text = (part.strip() for part in item.partition("="))
        if equals:
            if not self.options:
                raise ValueError(f"{self._called} takes no options, got {item!r}; write it as {self.usage}")
            checks.choice(f"option of {self._called}", key, self.options)
            return key, text
        if self.is_flag(key):
            return key, "yes"
        if key in self.options and key != self.value:
            raise ValueError(f"option {key} of {self._called} needs a value; write it as {key}=...")
        if self.value is None:
            raise ValueError(f"{self._called} takes no {item!r}; write it as {self.usage}")
        return self.value, key

    def _value(self, key: str, text: str | None) -> Any:
        option = self.options[key]
        if text is None:
            if option.default is REQUIRED:
                raise ValueError(f"{self._called} needs its {key}; write it as {self.usage}")
            return option.default
        try:
            return option.read(text)
        except ValueError:
            raise ValueError(f"{key} of {self._called} must be {option.allowed}, got {text!r}") from None


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


def positive(default: float | None) -> Option:
    """A number > 0."""
    return Option(default, lambda text: _where(_finite(text), lambda v: v > 0), "a number > 0")


def share(default: float | None) -> Option:
    """A number > 0 and <= 1."""
    return Option(
        default, lambda text: _where(_finite(text), lambda v: 0 < v <= 1), "a number > 0 and at most 1"
    )


def whole(default: Any, least: int, most: int | None = None) -> Option:
    """A whole number from ``least`` to ``most``."""
    return Option(
        default,
        lambda text: _where(int(text), lambda v: least <= v and (most is None or v <= most)),
        f"a whole number >= {least}" if most is None else f"a whole number from {least} to {most}",
    )


def odd(default: Any) -> Option:
    """An odd whole number."""
    return Option(
        default,
        lambda text: _where(int(text), lambda v: v > 0 and v % 2 == 1),
        "an odd whole number (an even patch has no centre)",
    )


def one_of(default: Any, names: Iterable[str]) -> Option:
    """One of ``names``."""
    known = tuple(names)
    return Option(default, lambda text: _where(text, known.__contains__), f"one of {', '.join(known)}")


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

    return Option(REQUIRED, read, "rows x columns, both odd, as 5x5 (an even filter has no centre)")


def _finite(text: str) -> float:
    return _where(float(text), math.isfinite)


def _where(value: Any, holds: Callable[[Any], bool]) -> Any:
    if not holds(value):
        raise ValueError(value)
    return value


def split_list(specs: str, grammars: Mapping[str, Grammar]) -> list[str]:
    """The specifications of a list separated by commas, each with its own options.

    What holds an equals sign, or is a flag of the name before it, is an option of that; all else is a name.

    >>> split_list("one,two:x=1,y=2", {})
    ['one', 'two:x=1,y=2']
    """
    found: list[str] = []
    for item in (part.strip() for part in specs.split(",")):
        if found and _continues(found[-1], item, grammars):
            found[-1] += f",{item}"
        else:
            found.append(item)
    return found


def _continues(spec: str, item: str, grammars: Mapping[str, Grammar]) -> bool:
    if re.match(r"[\w-]+=", item):
        return True
    grammar = grammars.get(split(spec)[0])
    return grammar is not None and grammar.is_flag(item)
