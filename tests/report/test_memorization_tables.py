"""The numbers in the tables and figures on memorisation: each in its column, of its step, in its unit."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from scorelens.report.evidence import Evidence
from scorelens.report.panel import Panel, Section, Slides
from scorelens.report.sections.memorization import memorization
from scorelens.report.table import Table, text
from scorelens.results.config import RunConfig

STEPS, SAMPLES, SHOWN, SIGMAS = 3, 8, 4, np.array([0.1, 0.5, 2.0])


def measured(steps: int = STEPS) -> xr.Dataset:
    """Every number is its own: no two columns, steps or samples are alike."""
    rng = np.random.default_rng(0)
    over_steps = (
        "distance_ratio",
        "distance_ratio_low",
        "distance_ratio_high",
        "near_copy_share",
        "near_copy_share_low",
        "near_copy_share_high",
        "false_alarm_rate",
        "near_copy_p_value",
    )
    each = ("step", "sample")
    images = ("step", "shown", "channel", "height", "width")
    brightness = np.linspace(-1.0, 1.0, 2 * steps * SHOWN).reshape(steps, SHOWN, 2)
    at_levels = np.array([[0.2, 0.4, 0.6]] * steps) + 0.01 * np.arange(steps)[:, None]
    return xr.Dataset(
        {name: ("step", rng.uniform(0.1, 0.9, steps)) for name in over_steps}
        | {"comparable": ("step", np.ones(steps, dtype=bool))}
        | {
            "nearest_distance": (each, rng.uniform(1.0, 2.0, (steps, SAMPLES))),
            "nearness": (each, rng.uniform(0.3, 1.0, (steps, SAMPLES))),
            "nearest_index": (each, rng.permutation(50 * steps)[: steps * SAMPLES].reshape(steps, SAMPLES)),
            "near_copy": (each, rng.random((steps, SAMPLES)) < 0.5),
            "shown_sample": (
                ("step", "shown"),
                np.array([rng.permutation(SAMPLES)[:SHOWN] for _ in range(steps)]),
            ),
            "shown_image": (
                images,
                np.broadcast_to(brightness[..., :1, None, None], (steps, SHOWN, 1, 4, 4)),
            ),
            "shown_neighbour": (
                images,
                np.broadcast_to(brightness[..., 1:, None, None], (steps, SHOWN, 1, 4, 4)),
            ),
            "attraction": (("step", "sigma"), at_levels),
            "attraction_standard_error": (("step", "sigma"), at_levels / 20),
            "off_axis": (("step", "sigma"), np.tile([0.5, 1.5, 9.0], (steps, 1))),
        },
        {"step": np.arange(steps) * 1000, "sigma": SIGMAS},
        {"n_generated": 8, "n_train": 60, "n_held_out": 300, "n_probes": 100, "n_mixture": 55},
    )


def losses() -> xr.Dataset:
    """At the first level held-out loss turns at the second of six steps; at the second it does not."""
    held_out = np.array([[3.0, 2.0, 2.5, 3.0, 3.5, 4.0], [3.0, 2.5, 2.0, 1.9, 1.8, 1.7]]).T
    train = np.array([[2.0, 1.5, 1.2, 1.0, 0.8, 0.5], [2.9, 2.4, 1.9, 1.8, 1.7, 1.6]]).T
    return xr.Dataset(
        {
            "held_out_loss": (("step", "sigma"), held_out),
            "train_loss": (("step", "sigma"), train),
            "held_out_standard_error": (("step", "sigma"), 0.01 + 0 * train),
            "train_standard_error": (("step", "sigma"), 0.01 + 0 * train),
        },
        {"step": np.arange(6) * 10, "sigma": [0.1, 0.5]},
    )


def made(of: xr.Dataset | None = None, loss: xr.Dataset | None = None) -> Section:
    return memorization(Evidence(RunConfig(), memorization=of, loss=loss))


def panel(of: Section, name: str) -> Panel:
    (found,) = [one for one in of.panels if one.name == name]
    return found


def column(table: Table, name: str) -> list[str]:
    at = table.header.index(name)
    return [row[at] for row in table.rows]


def told(values) -> list[str]:
    return [text(value) for value in values]


OF_A_STEP = {
    "distance ratio": lambda of: of["distance_ratio"],
    "its lower end": lambda of: of["distance_ratio_low"],
    "its upper end": lambda of: of["distance_ratio_high"],
    "near-copies, %": lambda of: 100 * of["near_copy_share"],
    "lower end, %": lambda of: 100 * of["near_copy_share_low"],
    "upper end, %": lambda of: 100 * of["near_copy_share_high"],
    "of fresh data, %": lambda of: 100 * of["false_alarm_rate"],
    "p-value of the near-copies": lambda of: of["near_copy_p_value"],
}


@pytest.mark.parametrize("name", OF_A_STEP)
def test_nearness_over_training(name: str) -> None:
    of = measured()
    table = panel(made(of), "nearness").table
    assert column(table, "step") == ["0", "1,000", "2,000"]
    assert column(table, name) == told(OF_A_STEP[name](of).values)


def test_a_single_measurement_is_summed_up() -> None:
    of = measured(1)
    (table,) = made(of).tables
    rows = dict(table.rows)
    sizes = [rows[name] for name in ("samples compared", "training points", "held-out points")]
    assert sizes == ["8", "60", "300"]
    assert {name: rows[name] for name in OF_A_STEP} == {
        name: text(float(value(of)[0])) for name, value in OF_A_STEP.items()
    }


def test_samples_of_the_last_step_with_their_training_points() -> None:
    """Both are counted from 1."""
    of = measured()
    last, table = of.isel(step=-1), panel(made(of), "neighbours").table
    chosen = last["shown_sample"].values
    assert column(table, "sample") == told(chosen + 1)
    assert column(table, "nearest training point") == told(last["nearest_index"].values[chosen] + 1)
    assert column(table, "distance to it") == told(last["nearest_distance"].values[chosen])
    assert column(table, "over distance to the next") == told(last["nearness"].values[chosen])
    assert column(table, "near-copy") == told(last["near_copy"].values[chosen])
    assert "step 2,000" in table.caption


def test_each_slide_shows_its_own_step() -> None:
    """Brightness rises with step, sample and from a sample to its neighbour: so does each sheet's."""
    slides = panel(made(measured()), "neighbours").content
    assert isinstance(slides, Slides)
    assert [one.label for one in slides.slides] == ["step 0", "step 1,000", "step 2,000"]
    found = []
    for one in slides.slides:
        sheet = np.asarray(
            Image.open(io.BytesIO(base64.b64decode(one.address.split(",")[1]))).convert("L"), dtype=float
        )
        upper, lower = np.array_split(sheet, 2)
        assert upper.max() < lower.max()
        found.append(sheet.max())
    assert found[0] < found[1] < found[2]


def test_the_gap_and_the_onset_of_each_level() -> None:
    table = panel(made(measured(), losses()), "loss-gap").table
    assert column(table, "noise level σ") == ["0.1", "0.5"]
    assert column(table, "gap, % of held-out loss") == told([100 * 3.5 / 4, 100 * 0.1 / 1.7])
    assert column(table, "held-out loss above its minimum, %") == ["100", "0"]
    assert column(table, "measurements in a row") == ["4", "0"]
    assert column(table, "onset") == ["onset", "none"]
    assert column(table, "since step") == ["10", "–"]
    assert "step 50" in table.caption


def test_attraction_is_drawn_where_the_two_ends_differ() -> None:
    of = measured()
    found = panel(made(of), "attraction")
    last = of.isel(step=-1)
    for name, values in (
        ("attraction", "attraction"),
        ("its standard error", "attraction_standard_error"),
        ("beside the way", "off_axis"),
    ):
        assert column(found.table, name) == told(last[values].values)
    assert "On 100 held-out points" in found.table.note
    assert "holds 55 training points" in found.table.note
    drawn = [np.asarray(trace.y, dtype=float) for trace in found.content.data if trace.y is not None]
    shown = np.concatenate([y[np.isfinite(y)] for y in drawn])
    assert np.isclose(shown, last["attraction"].values[0]).any()
    assert not np.isclose(shown, last["attraction"].values[2]).any()
