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
    model, quantity = case.get("model"), case["quantity"]
    name = f"{case['id']} ({model}/{quantity})" if model else f"{case['id']} ({quantity})"
    function = TABLE.get((model, quantity))
    if function is None:
        return Verdict(case["id"], "skipped", f"SKIP {name}: not built yet")
    try:
        problem = disagreement(function(case["params"]), case)
    except Exception as error:
        return Verdict(case["id"], "failed", f"FAIL {name}: {type(error).__name__}: {error}")
    if problem is None:
        return Verdict(case["id"], "passed", f"pass {name}")
    return Verdict(case["id"], "failed", f"FAIL {name}: {problem}")


def disagreement(got: Any, case: dict[str, Any]) -> str | None:
    """What is wrong with ``got``, or None; the case says how closely its value must be met.

    Cases of a model are compared relative to each entry or to the largest; those without a model relative to
    the largest entry of each array (``tol_rel``, plus ``tol_abs``), or within 5 standard errors.
    """
    if isinstance(case["value"], dict) or _holds_objects(case["value"]):
        return _disagreement_of_parts(got, case)
    found, expected = np.asarray(got, dtype=float), np.asarray(case["value"], dtype=float)
    shown = f"got {found.tolist()}, expected {expected.tolist()}"
    if case.get("stderr") is not None:
        error = standard_errors(found, expected, np.asarray(case["stderr"], dtype=float))
        return None if error <= 5 else f"{shown}, {error:.3g} standard errors"
    compare = case.get("compare") if case.get("model") else "maxnorm"
    error = relative_error(found, expected, compare, case.get("tol_abs", 0.0))
    tolerance = case["tol_rel"]
    return None if error <= tolerance else f"{shown}, rel. error {error:.3g}, tol {tolerance:g}"


def _disagreement_of_parts(got: Any, case: dict[str, Any]) -> str | None:
    value, stderr = case["value"], case.get("stderr")
    if isinstance(value, list) and len(got) != len(value):
        return f"got {len(got)} objects, expected {len(value)}"
    for key in value if isinstance(value, dict) else range(len(value)):
        part = {**case, "value": value[key], "stderr": stderr[key] if stderr is not None else None}
        problem = disagreement(got[key], part)
        if problem is not None:
            return f"{key}: {problem}"
    return None


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def standard_errors(got: np.ndarray, expected: np.ndarray, stderr: np.ndarray) -> float:
    """Largest distance in units of its standard error. Infinite for another shape or a NaN."""
    if got.shape != expected.shape or stderr.shape != expected.shape:
        return np.inf
    distance = np.abs(got - expected) / np.maximum(stderr, np.finfo(float).tiny)
    return float(np.nan_to_num(distance, nan=np.inf, posinf=np.inf).max())


def relative_error(got: np.ndarray, expected: np.ndarray, compare: str | None, tol_abs: float = 0.0) -> float:
    """Largest relative error; relative to the largest entry for ``maxnorm``. Infinite for another shape or a
    NaN. Differences up to ``tol_abs`` are forgiven."""
    if got.shape != expected.shape:
        return np.inf
    scale = np.abs(expected).max() if compare == "maxnorm" else np.abs(expected)
    difference = np.maximum(np.abs(got - expected) - tol_abs, 0.0)
    exact = difference == 0.0
    error = np.where(exact, 0.0, difference / np.where(exact | (scale == 0.0), 1.0, scale))
    error = np.where((scale == 0.0) & ~exact, np.inf, error)
    return float(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max())


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a golden file; ``ValueError`` for another format.

    A file names its format, or holds a ``schema`` that describes its quantities.
    """
    content = json.loads(path.read_text())
    named = isinstance(content, dict) and content.get("format") == FORMAT
    described = isinstance(content, dict) and {"schema", "cases"} <= set(content) and "format" not in content
    if not (named or described):
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path} must have the format {FORMAT!r} or a schema, got {found!r}")
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
