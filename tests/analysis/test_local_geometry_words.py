"""Sentences on local geometry say the numbers of the last measurement."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens.analysis.local_geometry_words import local_geometry_sentences


@pytest.fixture
def measured():
    participation = np.array([[[60.0, 30.0, 2.0]] * 2, [[50.0, 23.0, 1.0], [50.0, 25.0, 1.0]]])
    at, pairs = ("step", "point", "sigma"), ("step", "point", "sigma", "eigen")
    return xr.Dataset(
        {
            "participation": (at, participation),
            "asymmetry": (at, np.stack([np.full((2, 3), 0.5), np.tile([0.9, 0.041, 0.9], (2, 1))])),
            "eigenvalue": (pairs, np.ones((2, 2, 3, 4))),
            "converged": (pairs, np.ones((2, 2, 3, 4), dtype=bool)),
            "noisy": ((*at, "channel", "height", "width"), np.zeros((2, 2, 3, 1, 8, 8))),
        },
        {"step": [0, 10], "sigma": [0.1, 0.5, 2.0]},
        {"dim": 64, "way": "differences; J^T v has no derivative here"},
    )


def test_the_middle_level_of_the_last_step_is_told(measured):
    assert local_geometry_sentences(measured) == [
        "At σ 0.5 a held-out image keeps about 24 of 64 directions (participation; 23 to 25 over 2 images); "
        "the Jacobian is symmetric within 4%, as that of an ideal denoiser is."
    ]
    (first,) = local_geometry_sentences(measured.isel(step=[0]))
    assert "about 30 of 64" in first
    assert first.endswith("the Jacobian is asymmetric by 50%, unlike that of an ideal denoiser.")


def test_pairs_above_the_tolerance_are_counted(measured):
    measured["converged"][-1, 0, 0, :3] = False
    assert local_geometry_sentences(measured)[1] == "3 of 24 eigenpairs have an error above the tolerance."


def test_what_is_not_known_is_said(measured):
    (sentence,) = local_geometry_sentences(measured.assign(eigenvalue=measured.eigenvalue * np.nan))
    assert sentence.endswith("are not known: differences; J^T v has no derivative here.")
    assert local_geometry_sentences(None) == []
