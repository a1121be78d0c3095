"""Figures of estimators: what is drawn where, and that views and sliders show all there is."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens import plots
from scorelens.analysis.normal_spectrum import normal_spectrum
from scorelens.analysis.overparametrisation import SOLVERS, overparametrisation
from scorelens.analysis.score_field import score_field
from scorelens.estimators import Empirical, Gaussian
from scorelens.estimators.features import Fourier
from scorelens.estimators.spectral import EnergyScore, Exact

DRAWS = np.random.default_rng(0).standard_normal((300, 2))


@pytest.fixture(scope="module")
def field():
    fitted = {"gaussian": Gaussian().fit(DRAWS), "empirical": Empirical().fit(DRAWS)}
    return score_field(fitted, DRAWS, [0.3, 1.0], n_cells=33)


@pytest.fixture(scope="module")
def spectra():
    def rule(degree):
        return lambda dim: Fourier.lattice(dim, degree)

    names = {"coarse": 1, "fine": 2}
    return normal_spectrum(
        {
            n: EnergyScore(features=rule(k), solver=Exact(), sigmas=(0.5, 2.0)).fit(DRAWS)
            for n, k in names.items()
        }
    )


@pytest.fixture(scope="module")
def curve():
    return overparametrisation(DRAWS[:, :1], ratios=(0.5, 1.0, 2.0), n_seeds=2)


def arrows_of(figure):
    return [trace for trace in figure.data if trace.name == "σ × score"]


def test_arrows_point_along_the_score_and_saturate(field):
    drawn = arrows_of(plots.score_field(field))[0]
    x, y = (np.reshape(part, (-1, 3)) for part in (drawn.x, drawn.y))
    along = np.stack([x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]])
    one = field.isel(estimator=0, sigma=-1).isel(x=slice(None, None, 2), y=slice(None, None, 2))
    score = 0.3 * np.stack([one["score_x"].values.ravel(), one["score_y"].values.ravel()])
    size, length = np.hypot(*score), np.hypot(*along)
    np.testing.assert_allclose(along[0] * score[1], along[1] * score[0], atol=1e-12)
    assert np.all((along * score).sum(axis=0) > 0)
    step = float(np.diff(one["x"].values[:2])[0])
    np.testing.assert_allclose(length, 0.95 * step * size / np.sqrt(1 + size**2))
    centres = np.stack([x[:, :2].mean(axis=1), y[:, :2].mean(axis=1)]).reshape(2, 17, 17)
    np.testing.assert_allclose(centres, np.meshgrid(one["x"], one["y"]), atol=1e-12)


def test_the_density_is_that_of_the_view_and_the_level(field):
    drawn = plots.score_field(field)
    maps = [trace for trace in drawn.data if trace.type == "heatmap"]
    for i, trace in enumerate(maps):
        one = field.isel(estimator=i, sigma=-1)
        decades = (one["log_density"] - one["log_peak"]).values / np.log(10)
        np.testing.assert_allclose(trace.z, np.clip(decades, -3, 0), atol=0.0051)
    assert [frame.name for frame in drawn.frames] == ["σ = 1", "σ = 0.3"]
    last = drawn.frames[-1].data
    np.testing.assert_array_equal(last[2].z, maps[1].z)
    np.testing.assert_array_equal(last[1].x, arrows_of(drawn)[0].x)


def test_views_show_one_estimator_and_the_data(field):
    drawn = plots.score_field(field)
    views = drawn.layout.meta["views"]
    assert [view["label"] for view in views] == ["gaussian", "empirical"]
    assert [view["visible"] for view in views] == [
        [True, True, False, False, True],
        [False, False, True, True, True],
    ]
    assert "its own" in views[0]["layout"]["annotations"][0]["text"]


def test_eigenvalues_are_drawn_up_to_the_last_with_the_rank_marked(spectra):
    drawn = plots.normal_spectrum(spectra)
    assert [trace.name for trace in drawn.data] == ["coarse", "rank", "fine", "rank"]
    for i, count in enumerate((8, 24)):
        line, mark = drawn.data[2 * i], drawn.data[2 * i + 1]
        shown = spectra["eigenvalue"].isel(estimator=i, sigma=-1).values
        np.testing.assert_array_equal(line.y, shown)
        assert list(mark.x) == [count]
        assert mark.y[0] == shown[count - 1]
    assert [frame.name for frame in drawn.frames] == ["σ = 2", "σ = 0.5"]
    np.testing.assert_array_equal(
        drawn.frames[0].data[2].y, spectra["eigenvalue"].isel(estimator=1, sigma=0).values
    )


def test_one_level_needs_no_slider(spectra):
    assert not plots.normal_spectrum(spectra.isel(sigma=[0])).frames


def test_the_curve_shows_medians_bands_and_the_expected_place(curve):
    drawn = plots.overparametrisation(curve)
    lines = {trace.name: trace for trace in drawn.data if trace.name in SOLVERS}
    assert tuple(lines) == SOLVERS
    for i, trace in enumerate(lines.values()):
        np.testing.assert_array_equal(trace.x, [0.5, 1.0, 2.0])
        np.testing.assert_array_equal(trace.y, curve["error_median"].values[i])
    band = drawn.data[0]
    np.testing.assert_array_equal(band.y[:3], curve["error_low"].values[0])
    np.testing.assert_array_equal(band.y[3:], curve["error_high"].values[0][::-1])
    assert drawn.layout.shapes[0].x0 == drawn.layout.shapes[0].x1 == 1.0
    whole, lower = (10 ** np.array(v["layout"]["yaxis.range"]) for v in drawn.layout.meta["views"])
    assert whole[1] > float(curve["error_high"].max())
    assert lower[0] < float(curve["error_low"].min())
    zero = float(curve["error_of_zero"].mean())
    assert 10 * zero < lower[1] < 20 * zero
