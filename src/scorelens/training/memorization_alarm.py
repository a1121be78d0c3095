"""Told once, as soon as the measurements say that training has turned to memorising."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import final

import xarray as xr

from scorelens.analysis.memorization_words import memorization_warning
from scorelens.results import Run


@final
class MemorizationWarning(UserWarning):
    """Training has turned to memorising; ``step`` is that of the measurement that showed it."""

    def __init__(self, text: str, step: int) -> None:
        super().__init__(f"at step {step:,}: {text}")
        self.step = step


OnMemorization = Callable[[MemorizationWarning], None]
"""What to do with the warning. It may raise to end training: what was stored stays good."""


def warn(warning: MemorizationWarning) -> None:
    """Raise it as a Python warning."""
    warnings.warn(warning, stacklevel=2)


@final
class MemorizationAlarm:
    """Reads the measurements of ``run`` and calls ``ring`` at most once.

    It keeps nothing of its own, so it rings again when a run that memorises is resumed.
    """

    def __init__(self, run: Run, ring: OnMemorization | None = None) -> None:
        self._run, self._ring, self._rung = run, ring or warn, False

    def look(self) -> None:
        """Ring if what has been measured so far shows memorisation."""
        if self._rung or not self._run.measured_steps:
            return
        text = memorization_warning(self._measured("loss"), self._measured("memorization"))
        if text is not None:
            self._rung = True
            self._ring(MemorizationWarning(text, self._run.measured_steps[-1]))

    def _measured(self, name: str) -> xr.Dataset | None:
        """The readable measurements of an instrument; damaged ones are left out in silence here."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            if name not in self._run.measurement_names():
                return None
            try:
                return self._run.measurement(name, on_corrupt="warn")
            except ValueError:
                return None
