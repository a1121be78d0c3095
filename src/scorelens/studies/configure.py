"""From a few named options to the whole configuration of a run."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from scorelens.core import checks
from scorelens.results.config import RunConfig
from scorelens.results.options import OPTIONS


def configure(data: str, **options: Any) -> RunConfig:
    """The configuration of a run on ``data`` with some ``options`` (names in `OPTIONS`, and ``seed``).

    Raises ``ValueError`` for an unknown option (naming the nearest) and for a value that is not allowed.

    >>> configure("digits", steps=500, seed=3).training.steps
    500
    """
    sections: dict[str, Any] = {"data": {"spec": data}}
    for name, value in options.items():
        if name == "seed":
            sections["seed"] = value
            continue
        section, field = OPTIONS[checks.choice("option", name, [*OPTIONS, "seed"])]
        sections.setdefault(section, {})[field] = value
    return validated(sections)


def validated(sections: dict[str, Any]) -> RunConfig:
    """``RunConfig`` from nested sections; the first invalid value as a one-line ``ValueError``."""
    try:
        return RunConfig.model_validate(sections)
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None


def changed(config: RunConfig, **options: Any) -> RunConfig:
    """``config`` with some options changed, validated again."""
    sections = config.model_dump()
    update = configure(options.pop("data", config.data.spec), **options).model_dump(exclude_unset=True)
    for name, value in update.items():
        sections[name] = {**sections[name], **value} if isinstance(value, dict) else value
    return validated(sections)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    option_of = {target: name for name, target in OPTIONS.items()}
    place = tuple(str(part) for part in first["loc"])
    name = (
        option_of.get(place[:2], ".".join(place)) if len(place) >= 2 else ".".join(place) or "configuration"
    )  # pyright: ignore[reportArgumentType]
    allowed = first["msg"].removeprefix("Value error, ")
    return f"{name}: got {first['input']!r}; {allowed[:1].lower()}{allowed[1:]}"
