"""Evaluate every case of a golden file through the public API: ``python tests/golden/run.py FILE``.

Names each failing case, and each whose quantity is not built yet; the last line counts them. Exit status 1 if
a case failed, 2 if the file cannot be read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from golden_quantities import TABLE

FORMAT = "golden-dynamics-1"


class Verdict(NamedTuple):
    """Outcome of one case: ``passed``, ``failed`` or ``skipped``, and a line that says why."""

    case: str
    outcome: str
    line: str


def evaluate(case: dict[str, Any]) -> Verdict:
    """Compare one golden case with what the library computes."""
    name = f"{case['id']} ({case['model']}/{case['quantity']})"
    function = TABLE.get((case["model"], case["quantity"]))
    if function is None:
        return Verdict(case["id"], "skipped", f"SKIP {name}: not built yet")
    try:
        got = np.asarray(function(case["params"]), dtype=float)
    except Exception as problem:
        return Verdict(case["id"], "failed", f"FAIL {name}: {type(problem).__name__}: {problem}")
    expected = np.asarray(case["value"], dtype=float)
    error, tolerance = relative_error(got, expected, case.get("compare")), case["tol_rel"]
    if error <= tolerance:
        return Verdict(case["id"], "passed", f"pass {name}")
    found = f"got {got.tolist()}, expected {expected.tolist()}"
    return Verdict(case["id"], "failed", f"FAIL {name}: {found}, rel. error {error:.3g}, tol {tolerance:g}")


def relative_error(got: np.ndarray, expected: np.ndarray, compare: str | None) -> float:
    """Largest relative error; relative to the largest entry for ``maxnorm``. Infinite for another shape or a
    NaN."""
    if got.shape != expected.shape:
        return np.inf
    scale = np.abs(expected).max() if compare == "maxnorm" else np.abs(expected)
    difference = np.abs(got - expected)
    exact = difference == 0.0
    error = np.where(exact, 0.0, difference / np.where(exact | (scale == 0.0), 1.0, scale))
    error = np.where((scale == 0.0) & ~exact, np.inf, error)
    return float(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max())


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a golden file; ``ValueError`` for another format."""
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path} must have the format {FORMAT!r}, got {found!r}")
    return content["cases"]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python tests/golden/run.py FILE", file=sys.stderr)
        return 2
    try:
        cases = read_cases(Path(arguments[0]))
    except (OSError, ValueError, KeyError) as problem:
        print(f"cannot read the golden file: {problem}", file=sys.stderr)
        return 2
    verdicts = [evaluate(case) for case in cases]
    for verdict in verdicts:
        if verdict.outcome != "passed":
            print(verdict.line)
    counts = {
        outcome: sum(v.outcome == outcome for v in verdicts) for outcome in ("passed", "failed", "skipped")
    }
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
