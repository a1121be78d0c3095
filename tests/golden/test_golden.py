"""The golden cases, through the same runner as ``make golden``."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("golden_run", HERE / "run.py")
run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(run)

FILES = [HERE / f"golden_{name}.json" for name in ("dynamics", "preconditioned", "estimation")]
CASES = [case for file in FILES for case in run.read_cases(file)]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_golden_case(case):
    verdict = run.evaluate(case)
    assert verdict.outcome == "passed", verdict.line


def test_every_quantity_is_built():
    cases = [case for file in FILES for case in run.read_cases(file)]
    assert all(run.TABLE.get((case.get("model"), case["quantity"])) for case in cases)


def _case(**changes):
    params = {"lam": 1.3, "Q": 0.1, "eta": 0.5, "tau": 0.4, "sigma": 0.9}
    case = {"id": "x", "model": "one_layer", "quantity": "mode_weight", "params": params}
    return case | {"value": 0.3941914762907336, "tol_rel": 1e-10} | changes


def test_a_wrong_value_fails_and_is_named():
    verdict = run.evaluate(_case(value=0.39419147))
    assert verdict.outcome == "failed"
    assert "x (one_layer/mode_weight)" in verdict.line
    assert "expected 0.39419147" in verdict.line


def test_a_case_that_raises_fails_with_its_message():
    verdict = run.evaluate(_case(params={"lam": -1.0, "Q": 0.1, "eta": 0.5, "tau": 0.4, "sigma": 0.9}))
    assert verdict.outcome == "failed"
    assert "eigenvalue must be" in verdict.line


def test_relative_error_rules():
    got, expected = np.array([1.0, 0.1]), np.array([1.0, 0.2])
    assert run.relative_error(got, expected, "elementwise") == pytest.approx(0.5)
    assert run.relative_error(got, expected, "maxnorm") == pytest.approx(0.1)
    assert run.relative_error(np.array(np.nan), np.array(1.0), None) == np.inf
    assert run.relative_error(np.array([1.0]), np.array(1.0), None) == np.inf
    assert run.relative_error(np.array(0.0), np.array(0.0), None) == 0.0
    assert run.relative_error(np.array(1e-300), np.array(0.0), None) == np.inf


def _plain(**changes):
    case = {"id": "p", "quantity": "trig_log_partition", "tol_rel": 1e-10, "value": 0.2359143585071787}
    return case | {"params": {"features": {"K": [[3]]}, "theta": [0.8, -0.6]}} | changes


def test_cases_without_a_model_pass_and_fail():
    assert run.evaluate(_plain()).outcome == "passed"
    assert run.evaluate(_plain(value=0.2359143)).outcome == "failed"
    assert run.evaluate(_plain(value=0.2359143, tol_abs=1e-6)).outcome == "passed"
    assert run.evaluate(_plain(value=0.2359, stderr=1e-5)).outcome == "passed"
    assert "standard errors" in run.evaluate(_plain(value=0.2359, stderr=1e-6)).line


def test_objects_are_compared_part_by_part():
    case = {"value": {"A": [1.0, 1e-12], "b": 2.0}, "tol_rel": 1e-9}
    assert run.disagreement({"A": [1.0, 0.0], "b": 2.0}, case) is None
    assert run.disagreement({"A": [1.0, 0.0], "b": 2.1}, case).startswith("b: ")
    assert run.disagreement({"A": [1.0], "b": 2.0}, case).startswith("A: ")
    listed = {"value": [{"r": 3.0}, {"r": 2.0}], "stderr": [{"r": 0.1}, {"r": 0.1}]}
    assert run.disagreement([{"r": 3.1}, {"r": 1.9}], listed) is None
    assert run.disagreement([{"r": 3.1}, {"r": 1.4}], listed).startswith("1: r: ")
    assert "1 objects" in run.disagreement([{"r": 3.1}], listed)


def test_last_line_counts_and_status_says_failure(tmp_path, capsys):
    cases = [_case(), _case(id="y", value=1.0), _case(id="z", quantity="no_such_quantity")]
    path = tmp_path / "golden.json"
    path.write_text(json.dumps({"format": run.FORMAT, "cases": cases}))
    assert run.main([str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 passed, 1 failed, 1 skipped"
    assert any(line.startswith("FAIL y") for line in lines)
    assert any(line.startswith("SKIP z") for line in lines)
    path.write_text(json.dumps({"format": run.FORMAT, "cases": cases[:1]}))
    assert run.main([str(path)]) == 0


def test_an_unreadable_file_is_one_clear_message(tmp_path, capsys):
    path = tmp_path / "golden.json"
    path.write_text('{"format": "other", "cases": []}')
    assert run.main([str(path)]) == 2
    assert run.main([str(tmp_path / "missing.json")]) == 2
    assert "golden-dynamics-1" in capsys.readouterr().err
