"""Every public name of the estimators and the objectives is explained, with an example."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from scorelens import estimators, objectives
from scorelens.estimators import fields, kernel

PACKAGES = (estimators, fields, kernel, objectives)


def public(package: ModuleType) -> Iterator[Callable[..., object]]:
    """Its exported classes and functions; tuples of them and modules have no text of their own."""
    for name in package.__all__:
        found = getattr(package, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            yield found


NAMES = {found.__qualname__: found for package in PACKAGES for found in public(package)}
CLASSES = sorted(name for name, found in NAMES.items() if inspect.isclass(found))


def test_the_lists_of_exported_names_are_true():
    for package in PACKAGES:
        assert len(set(package.__all__)) == len(package.__all__), package.__name__
        assert all(hasattr(package, name) for name in package.__all__), package.__name__
    assert len(NAMES) > 80


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_has_an_example_of_its_own(name: str):
    """That it prints what it says is seen by pytest, which runs every docstring under ``src``."""
    text = vars(NAMES[name])["__doc__"] if inspect.isclass(NAMES[name]) else NAMES[name].__doc__
    examples = doctest.DocTestParser().get_examples(text or "")
    assert any(one.want for one in examples), f"{name} has no example that shows something"
    assert not any(doctest.SKIP in one.options for one in examples)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_is_explained(name: str):
    """By its own docstring or, if it overrides, by that of the method it implements."""
    for method, value in vars(NAMES[name]).items():
        if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(NAMES[name], method)), f"{name}.{method} has no docstring"
