"""scorelens: what a score-based model will learn, has learned and has memorised.

The main job in one line; everything it does can also be called by itself from the subpackages.

>>> import scorelens
>>> run = scorelens.study("digits", steps=500)  # doctest: +SKIP
>>> run.measurement("generated_variance")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scorelens.results import Run
    from scorelens.studies import compare_preconditioners, forecast, generalize, measure, study, train

__version__ = "0.1.0"
__all__ = [
    "Run",
    "__version__",
    "compare_preconditioners",
    "forecast",
    "generalize",
    "measure",
    "study",
    "train",
]

_HOME = {"Run": "scorelens.results"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing scorelens is instant."""
    if name not in __all__:
        raise AttributeError(f"module 'scorelens' has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "scorelens.studies")), name)
