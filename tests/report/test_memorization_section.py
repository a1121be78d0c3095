"""The section on memorisation: what it shows of images, clouds and runs that memorise."""

from __future__ import annotations

import re
import shutil

import numpy as np

from scorelens import report
from scorelens.report.sections.memorization import _alternating
from scorelens.results import Run


def _page(run):
    return re.sub(
        r"<script.*?</script>|<style.*?</style>", "", report.build(run.path).read_text(), flags=re.S
    )


def test_rows_of_samples_alternate_with_their_neighbours():
    made, near = (np.arange(n, n + 8.0).reshape(8, 1, 1, 1) for n in (0, 100))
    order = _alternating(made, near).ravel().tolist()
    assert order == [*range(6), *range(100, 106), 6, 7, 106, 107]


def test_points_of_a_plane_are_joined_and_modes_replace_coordinates(write_run):
    flat = _page(write_run((2,), spec="moons"))
    assert "Samples and their nearest training points" in flat
    assert 'id="neighbours-title"' in _page(write_run((16,), spec="gaussian:dim=16"))


def test_a_run_that_memorises_says_so_at_the_top(write_run, tmp_path):
    run = Run.open(shutil.copytree(write_run((1, 4, 4)).path, tmp_path / "run"))
    losses, near = run.measurement("loss"), run.measurement("memorization")
    rest = {name: run.measurement(name) for name in run.measurement_names()}
    run.discard_after(-1)
    for i, step in enumerate(losses["step"].values.tolist()):
        parts = {name: whole.isel(step=i, drop=True) for name, whole in rest.items()}
        parts["loss"]["held_out_loss"] = parts["loss"]["held_out_loss"] * 0 + (2 + max(i - 1, 1 - i))
        parts["loss"]["train_loss"] = parts["loss"]["train_loss"] * 0 + 1 / (1 + i)
        parts["loss"]["held_out_standard_error"] = parts["loss"]["held_out_standard_error"] * 0 + 0.01
        run.write_measurement(step, parts)
    page = _page(run)
    (warning,) = re.findall(r'<p class="problem" role="alert">(.*?)</p>', page)
    assert "held-out loss at σ 0.002 has risen for" in warning
    assert f"nearest-neighbour ratio {float(near['distance_ratio'][-1]):.2g}" in warning
    assert "<td>onset</td>" in page
    assert f"Training turned to memorising at step {int(losses['step'][1])}" in page


def test_a_run_without_the_measurement_says_so(write_run, tmp_path):
    run = Run.open(shutil.copytree(write_run((1, 4, 4)).path, tmp_path / "run"))
    parts = {name: run.measurement(name) for name in run.measurement_names() if name != "memorization"}
    steps = run.measured_steps
    run.discard_after(-1)
    for i, step in enumerate(steps):
        run.write_measurement(step, {name: whole.isel(step=i, drop=True) for name, whole in parts.items()})
    page = _page(run)
    assert "Nearness to the training data was not measured in this run." in page
    assert 'role="alert"' not in page
