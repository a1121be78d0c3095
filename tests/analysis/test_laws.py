"""The laws that can be named: how they are written, what is refused, and that each is a law."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from scorelens.analysis.laws import LAWS, law_named, split_list
from scorelens.dynamics import GainLaw

#: A way to write every law; a new row of the table needs one here.
WRITTEN = {
    "preconditioned": "preconditioned",
    "one-layer": "one-layer:initial_gain=0.2",
    "residual": "residual:skip=0.5,output=0.7",
    "two-layer": "two-layer:initial_gain=0.05",
    "two-layer-untied": "two-layer-untied:first=0.4,second=-0.1",
    "deep": "deep:3,tied",
    "deep-residual": "deep-residual:4,initial_layer=-0.5",
    "infinite-depth": "infinite-depth",
    "conv": "conv:layers=2",
    "patch": "patch:3x3",
    "flow": "flow",
    "flow-two-layer": "flow-two-layer:initial_gain=0.3",
}


def test_every_law_of_the_table_can_be_written():
    assert set(WRITTEN) == set(LAWS)


@pytest.mark.parametrize("name", [name for name in LAWS if LAWS[name].build is not None])
def test_options_reach_the_law_and_its_usage_is_true(name):
    pixels = 16 if LAWS[name].of_images else None
    law = law_named(WRITTEN[name]).gain_law(pixels)
    assert isinstance(law, GainLaw)
    for usage in LAWS[name].grammar.usage.split(" or "):
        assert law_named(usage).named.name == name
    plain = {"deep": "deep:3", "deep-residual": "deep-residual:4"}.get(name, name)
    if WRITTEN[name] != plain:
        start = [one.start_gain(1.0, 0.5) for one in (law, law_named(plain).gain_law(pixels))]
        rate = [one.rate(0.1, 1.0, 0.5) for one in (law, law_named(plain).gain_law(pixels))]
        assert start[0] != start[1] or rate[0] != rate[1]


def test_laws_start_at_the_same_gain_unless_told_otherwise():
    names = ["one-layer", "two-layer", "two-layer-untied", "deep:5", "infinite-depth"]
    starts = [float(law_named(name).gain_law().start_gain(1.0, 0.5)) for name in names]
    np.testing.assert_allclose(starts, 0.1, rtol=1e-12)


def test_the_documentation_lists_every_law_and_option():
    page = (Path(__file__).parents[2] / "docs" / "laws.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)[^`]*` \|(.*)$", page, re.MULTILINE))
    assert set(rows) == set(LAWS)
    for name, named in LAWS.items():
        for option in named.grammar.options:
            assert option == named.grammar.value or f"`{option}`" in rows[name], (name, option)


def test_colons_and_commas_separate_alike():
    assert law_named("deep:4,tied").values == law_named("deep:4:tied").values
    assert law_named("deep:depth=4, tied=yes").values == {"depth": 4, "initial_gain": 0.1, "tied": True}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tow-layer", "unknown law 'tow-layer'; choose from .*; did you mean 'two-layer'"),
        ("", "unknown law ''; choose from"),
        ("deep", "law deep needs its depth; write it as deep:3"),
        ("deep:0", "depth of law deep must be a whole number from 1 to 1000, got '0'"),
        ("deep:x", "depth of law deep must be a whole number from 1 to 1000, got 'x'"),
        ("deep:2.5", "must be a whole number from 1 to 1000, got '2.5'"),
        ("deep:3,tied=maybe", "tied of law deep must be yes or no, got 'maybe'"),
        ("deep:3,4", "depth of law deep is given twice"),
        ("deep:4,tied,initial_gain=-0.1", "law deep:4,tied,initial_gain=-0.1: .*no negative gain"),
        ("patch", "law patch needs its shape; write it as patch:5x5"),
        ("patch:4x4", "shape of law patch must be rows x columns, both odd, .*even filter has no centre"),
        ("patch:5", "shape of law patch must be rows x columns"),
        ("two-layer:initial_gain=-0.1", "initial_gain of law two-layer must be >= 0 .*, got '-0.1'"),
        ("flow-two-layer:initial_gain=-1", "must be >= 0"),
        ("conv:layers=2,initial_gain=-1", "law conv:layers=2,initial_gain=-1: .*"),
        ("one-layer:gain=1", "unknown option of law one-layer 'gain'; choose from initial_gain"),
        ("one-layer:initial_gain=inf", "initial_gain of law one-layer must be a finite number, got 'inf'"),
        ("one-layer:initial_gain=1,initial_gain=2", "is given twice"),
        ("one-layer:3", "law one-layer takes no '3'; write it as one-layer:initial_gain=0.1"),
        ("preconditioned:x=1", "law preconditioned takes no options"),
        ("residual:output=0", "an output of 0 never learns"),
    ],
)
def test_bad_specifications_are_refused_with_what_is_allowed(spec, message):
    with pytest.raises(ValueError, match=message):
        law_named(spec)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        ("conv", (64,), "law conv is one of images, the data are vectors of shape .64,.; give images"),
        ("patch:5x5", (64,), "is one of images"),
        ("patch:99x99", (1, 8, 8), "a filter of 99x99 is larger than the images, 8x8; give a smaller one"),
        ("patch:3x9", (1, 9, 8), "a filter of 3x9 is larger"),
    ],
)
def test_laws_of_images_refuse_other_data(spec, shape, message):
    with pytest.raises(ValueError, match=message):
        law_named(spec).check_data(shape)


def test_laws_of_images_take_any_that_the_filter_fits():
    law_named("patch:9x7").check_data((3, 9, 8))
    law_named("conv").check_data((1, 2, 2))
    law_named("deep:3").check_data((64,))


def test_a_list_of_laws_keeps_the_options_of_each():
    listed = "one-layer, two-layer:initial_gain=0.05,deep:3,tied,patch:5x5,two-layer-untied:first=1,second=2"
    assert split_list(listed) == [
        "one-layer",
        "two-layer:initial_gain=0.05",
        "deep:3,tied",
        "patch:5x5",
        "two-layer-untied:first=1,second=2",
    ]
    assert split_list("one-layer,tied") == ["one-layer", "tied"]
