"""What an estimate is doing: on a terminal what it works at, everywhere a line per finished step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

from rich.console import Console
from rich.markup import escape


def _stderr() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


@final
@dataclass(frozen=True)
class EstimateProgress:
    """Lines such as ``gmm:10: fitted in 0.8 s`` on standard error; none unless ``shown``."""

    shown: bool = True
    console: Console = field(default_factory=_stderr)

    @contextlib.contextmanager
    def step(self, spec: str, doing: str, done: str) -> Iterator[None]:
        """Say that ``spec`` is at ``doing`` while the block runs, and how long it was until ``done``.

        A block that raises leaves no line: whoever catches the error says what it was.
        """
        began = time.perf_counter()
        with self._waiting(f"{spec}: {doing}"):
            yield
        if self.shown:
            self.console.print(escape(f"{spec}: {done} in {time.perf_counter() - began:.2g} s"))

    def _waiting(self, text: str) -> contextlib.AbstractContextManager[object]:
        if not (self.shown and self.console.is_terminal):
            return contextlib.nullcontext()
        return self.console.status(escape(text))
