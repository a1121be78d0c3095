import base64
import io
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from scorelens.report.figure_json import figure_json, script_json
from scorelens.report.images import GAP, contact_sheet
from scorelens.report.page import render
from scorelens.report.panel import Panel, Section, Slides
from scorelens.report.repeat import FLAGS, command, other_settings
from scorelens.report.table import Table, left_out, text
from scorelens.results import RunConfig

EVIL = "</script><script>alert(1)</script>&\u2028'\""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.00012345, "0.0001234"),
        (0.000012345, "1.234e-05"),
        (1234.5, "1,234"),
        (2.5e7, "2.500e+07"),
        (12, "12"),
        (np.int64(3000), "3,000"),
        (True, "yes"),
        (np.float32("nan"), "–"),
        (0.0, "0"),
        (None, "–"),
    ],
)
def test_numbers_in_tables(value, written):
    assert text(value) == written


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        Table.of_columns("c", {"a": [1, 2], "b": [1]})


def test_a_whole_table_has_no_note():
    assert left_out("modes", [1, 2], 2, "file") == ""


def test_json_in_a_script_cannot_end_it_and_reads_back():
    written = script_json({"name": EVIL, "values": np.array([1.0, np.nan, np.inf])})
    assert not set("<>&\u2028") & set(written)
    assert json.loads(written) == {"name": EVIL, "values": [1, None, None]}


def test_figures_are_written_with_frames_and_short_numbers():
    figure = go.Figure(
        go.Scatter(y=np.array([1 / 3, 2.0])), frames=[go.Frame(name="a", data=[go.Scatter(y=[np.pi])])]
    )
    figure.update_layout(template="plotly_dark", title={"text": "t"})
    content = json.loads(figure_json(figure))
    assert content["data"][0]["y"] == [0.33333, 2]
    assert content["frames"][0]["data"][0]["y"] == [3.1416]
    assert content["layout"] == {"title": {"text": "t"}}


def picture(slide):
    return np.array(Image.open(io.BytesIO(base64.b64decode(slide.address.split(",")[1]))).convert("RGBA"))


def test_contact_sheet_places_tiles_row_by_row_with_clear_gaps():
    images = np.array([-1.0, 0.0, 1.0])[:, None, None, None] * np.ones((3, 1, 4, 4))
    slide = contact_sheet(images, "l", "d", columns=2)
    pixels = picture(slide)
    assert pixels.shape[:2] == (slide.height, slide.width)
    side = (slide.width - GAP) // 2
    centres = [pixels[side // 2, side // 2], pixels[side // 2, -side // 2], pixels[-side // 2, side // 2]]
    assert [centre[0] for centre in centres] == [0, 128, 255]
    assert pixels[side // 2, side + GAP // 2, 3] == 0
    assert pixels[-side // 2, -side // 2, 3] == 0


def test_contact_sheet_keeps_colours_and_survives_bad_values():
    colours = np.full((1, 3, 2, 2), -1.0)
    colours[0, 0] = 1.0
    assert picture(contact_sheet(colours, "l", "d"))[0, 0].tolist() == [255, 0, 0, 255]
    broken = np.array([[[[np.nan, np.inf], [-5.0, 5.0]]]])
    values = picture(contact_sheet(broken, "l", "d"))[..., 0]
    assert {int(values[0, 0]), int(values[-1, 0])} == {0}
    assert {int(values[0, -1]), int(values[-1, -1])} == {255}


def page(panels=(), **parts):
    section = Section(
        "s", EVIL, EVIL, EVIL, tuple(panels), (Table(EVIL, (EVIL,), ((EVIL,),), EVIL),), (EVIL,), EVIL
    )
    return render(
        **{
            "title": EVIL,
            "subtitle": EVIL,
            "problems": [EVIL],
            "summary": [EVIL],
            "sections": [section],
            **parts,
        }
    )


def test_every_string_on_the_page_is_escaped():
    figure = go.Figure(go.Scatter(y=[1], name=EVIL), layout={"height": 100, "meta": {"slider": EVIL}})
    figure.frames = [go.Frame(name=EVIL, data=[]), go.Frame(name=EVIL + "2", data=[])]
    slides = Slides(EVIL, (contact_sheet(np.zeros((1, 1, 2, 2)), EVIL, EVIL),) * 2)
    table = Table(EVIL, (EVIL,), ((EVIL,),))
    made = page([Panel("a", EVIL, EVIL, figure, table), Panel("b", EVIL, EVIL, slides, table)])
    assert "alert(1)</script>" not in made
    assert "<script>alert" not in made


def test_only_the_pages_own_scripts_may_run_and_nothing_is_fetched():
    made = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', made)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert policy[1].count("sha256-") == len(re.findall(r"<script>", made)) == 2
    assert "unsafe-inline' script" not in policy[1].replace("style-src", "")
    head = made[: made.index("<style>")]
    assert not re.findall(r'(?:src|href)="(?!#|data:)', head)


def test_command_repeats_the_run():
    config = RunConfig.model_validate(
        {"seed": 7, "data": {"spec": "a b.npy", "n_modes": 9}, "training": {"learning_rate": 0.00031234}}
    )
    assert command(config) == "scorelens study 'a b.npy' --seed 7 --modes 9 --learning-rate 0.00031234"
    assert other_settings(config) == ()


def test_settings_without_an_option_are_named():
    config = RunConfig.model_validate({"sampler": {"rho": 5.0}})
    assert other_settings(config) == ("sampler.rho = 5.0",)


def test_the_options_named_on_the_page_exist():
    from scorelens.cli import options

    shown = options.OBJECTIVE | options.SAMPLER | options.SPECTRUM | options.TRAINING | options.LAW
    assert {flag.removeprefix("--").replace("-", "_") for flag in FLAGS.values()} <= set(shown)
