"""Sections on estimators: captions say what is shown, tables hold the numbers, addresses differ."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.analysis.normal_spectrum import normal_spectrum
from scorelens.analysis.overparametrisation import overparametrisation
from scorelens.analysis.score_field import score_field
from scorelens.estimators import Gaussian, KernelLevels
from scorelens.estimators.features import Fourier
from scorelens.estimators.spectral import EnergyScore, Exact
from scorelens.report.page import render
from scorelens.report.sections import normal_spectrum as spectrum_section
from scorelens.report.sections import overparametrisation as curve_section
from scorelens.report.sections import score_field as field_section

DRAWS = np.random.default_rng(0).standard_normal((200, 2))


def waves(dim):
    return Fourier.lattice(dim, 1)


@pytest.fixture(scope="module")
def sections():
    fitted = {"gaussian": Gaussian().fit(DRAWS), "kernel": KernelLevels(sigmas=(1.0,)).fit(DRAWS)}
    energy = EnergyScore(features=waves, solver=Exact(), sigmas=(0.5, 2.0)).fit(DRAWS)
    return (
        field_section.score_field(score_field(fitted, DRAWS, [0.5, 1.0], n_cells=33)),
        spectrum_section.normal_spectrum(normal_spectrum({"fourier": energy}, {"fourier": "exact"})),
        curve_section.overparametrisation(overparametrisation(DRAWS, ratios=(0.5, 1.0, 2.0), n_seeds=2)),
    )


def test_the_page_of_all_has_no_address_twice(sections):
    page = render("title", "", [], [], sections)
    for section in sections:
        for name in (section.name, *(panel.name for panel in section.panels)):
            assert page.count(f'id="{name}"') == 1


def test_the_field_says_whose_density_it_borrows_and_how_large_scores_are(sections):
    panel = sections[0].panels[0]
    assert "No density is known of kernel" in panel.caption
    table = panel.table
    assert table.header == ("noise level σ", "gaussian: size", "kernel: size", "kernel: from gaussian")
    assert [row[0] for row in table.rows] == ["1", "0.5"]
    # sigma^2 E|x|^2 / (1 + sigma^2)^2 over clean standard normal events in two dimensions
    assert float(table.rows[0][1]) == pytest.approx(np.sqrt(2) / 2, rel=0.1)


def test_the_spectrum_says_rank_and_solver(sections):
    rows = sections[1].panels[0].table.rows
    assert [row[:2] for row in rows] == [("fourier", "2"), ("fourier", "0.5")]
    assert all(row[3:5] == ("8", "8") for row in rows)
    assert all(row[-2:] == ("yes", "exact") for row in rows)


def test_the_curve_says_its_setting_and_its_peak(sections):
    panel = sections[2].panels[0]
    assert "60 events of 2 values" in panel.caption
    assert "m / (N d) = 1." in panel.caption
    assert [row[:4] for row in panel.table.rows] == [
        ("60", "0.5", "60", "yes"),
        ("120", "1", "120", "yes"),
        ("240", "2", "120", "no"),
    ]
