"""The section on local geometry, of images, of points in a plane, of vectors, and of a run without it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scorelens.report.evidence import Evidence
from scorelens.report.panel import Slides
from scorelens.report.sections.geometry import ABSENT, geometry
from scorelens.results.config import RunConfig


def _section(measured):
    missing = dict.fromkeys(field.name for field in dataclasses.fields(Evidence))
    missing |= {"config": RunConfig(), "geometry": measured, "problems": (), "summary": ()}
    return geometry(Evidence(**missing))


def _panels(measured):
    return {panel.name: panel for panel in _section(measured).panels}


@pytest.fixture(scope="module")
def measured(write_run):
    return lambda event_shape: write_run(event_shape, count=3).measurement("geometry")


def test_images_and_their_directions_over_training(measured):
    images = measured((1, 4, 4))
    panels = _panels(images)
    assert list(panels) == ["local-directions", "jacobian-spectrum", "kept-directions", "shrinkage"]
    shown = panels["local-directions"].content
    assert isinstance(shown, Slides)
    assert [slide.label for slide in shown.slides] == [f"step {step:,}" for step in images["step"].values]
    column = panels["local-directions"].table.header.index("share kept")
    shares = [float(row[column]) for row in panels["local-directions"].table.rows]
    np.testing.assert_allclose(shares, images["eigenvalue"][-1, :, 1].values.ravel(), rtol=1e-3)


def test_points_of_a_plane_get_lines_and_vectors_only_numbers(measured):
    plane = measured((2,))
    drawn = _panels(plane)["local-directions"].content
    ends = np.stack([drawn.data[0].x, drawn.data[0].y], axis=1).reshape(3, 2, 3, 2)
    length = np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=-1) / 2
    np.testing.assert_allclose(length, 0.25 * np.sqrt(plane["eigenvalue"][-1, :, 1].values), rtol=1e-5)
    assert "local-directions" not in _panels(measured((16,)))


def test_a_run_without_it_says_so_and_one_without_a_spectrum_says_why(measured):
    nothing = _section(None)
    assert (nothing.panels, nothing.absent) == ((), (ABSENT,))
    plane = measured((2,))
    unknown = _section(plane.assign(eigenvalue=plane["eigenvalue"] * np.nan))
    assert unknown.panels == ()
    assert "are not known: forward mode" in unknown.notes[0]


@pytest.mark.parametrize("name", ["jacobian-spectrum", "kept-directions"])
def test_tables_hold_means_over_events(measured, name):
    images = measured((1, 4, 4))
    last, table = images.isel(step=-1), _panels(images)[name].table
    expected = last["trace"] if name == "kept-directions" else last["eigenvalue"].isel(eigen=0)
    column = [row[1] for row in table.rows] if name == "kept-directions" else table.rows[0][1:]
    np.testing.assert_allclose([float(v) for v in column], expected.mean("point"), rtol=1e-3)
