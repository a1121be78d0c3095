"""A progress bar where somebody watches, silence elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_UPDATES = 0.2

Report = Callable[[int, float], None]
"""``report(step, loss)``: called after every step, cheap."""


@contextlib.contextmanager
def progress_bar(first: int, steps: int, *, shown: bool, console: Console | None = None) -> Iterator[Report]:
    """Show a bar from step ``first`` to ``steps`` on a terminal; yields what to call after every step."""
    console = console or Console(stderr=True)
    if not (shown and console.is_terminal):
        yield lambda step, loss: None
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4g}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=steps, completed=first, loss=float("nan"))
        yield _throttled(lambda step, loss: bar.update(task, completed=step, loss=loss), steps)


def _throttled(show: Report, steps: int) -> Report:
    last = -SECONDS_BETWEEN_UPDATES

    def report(step: int, loss: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_UPDATES or step == steps:
            last = now
            show(step, loss)

    return report
