"""Entry point: runs the application and turns errors into one clear line."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Any

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; bad input exits 2 with one line, ``--debug`` anywhere shows the traceback."""
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    warnings.showwarning = _note
    from scorelens.cli.app import app

    try:
        app(args=arguments, prog_name="scorelens")
    except SystemExit as done:
        if done.code == _INTERRUPTED:  # so typer tells of Ctrl-C
            _fail(f"stopped; {_remedy(arguments)}", _INTERRUPTED, debug)
        raise
    except (ValueError, TypeError, OSError) as error:
        _fail(_one_line(error), 2, debug)
    except ArithmeticError as error:
        _fail(_one_line(error), 1, debug)


def _remedy(arguments: list[str]) -> str:
    if arguments[:1] in (["study"], ["train"]):
        return "the same command with --resume continues"
    return "delete the folder that it began, if any, and run it again"


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"scorelens: note: {message}{os.linesep}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _fail(message: str, status: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"scorelens: {message}{os.linesep}")
    sys.exit(status)
