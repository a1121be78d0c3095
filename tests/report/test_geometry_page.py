"""The page of a look at local geometry: its chapters from its Datasets, for images, planes and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from scorelens import plots
from scorelens.analysis.geometry_words import geometry_remarks, geometry_sentences
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import load
from scorelens.instruments import measure_geometry
from scorelens.instruments.dimension_levels import dimension_over_levels
from scorelens.instruments.posterior_walks import posterior_walks
from scorelens.instruments.risk_levels import risk_over_levels
from scorelens.report.geometry.derivatives import derivatives
from scorelens.report.geometry.dimension import dimension
from scorelens.report.geometry.kept import kept
from scorelens.report.geometry.likelihood import likelihood
from scorelens.report.geometry.posterior import posterior
from scorelens.report.geometry.risk import risk
from scorelens.report.panel import Slides

SIGMAS = np.array([0.1, 1.0])


def shrink(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
    """Ideal for variances that fall from number to number."""
    dim = x[0].numel()
    variance = 1 / torch.arange(1, dim + 1).to(x).reshape(x.shape[1:])
    level = torch.as_tensor(sigma).to(x).reshape(-1, *[1] * (x.ndim - 1))
    return x * variance / (variance + level**2)


def measured_of(shape: tuple[int, ...], n_modes: int = 2) -> xr.Dataset:
    points = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0))
    return measure_geometry(shrink, points, SIGMAS, n_modes)


def examples_of(shape: tuple[int, ...]) -> xr.Dataset:
    dims = ("channel", "height", "width") if len(shape) == 3 else ("feature",)
    return xr.Dataset({"image": (("sample", *dims), np.zeros((3, *shape)))})


def test_images_have_a_mosaic_with_shares_and_a_sheet_for_each_event():
    measured = measured_of((3, 4, 5), 7)
    names = [panel.name for panel in kept(measured).panels]
    assert names == ["eigenvectors", "jacobian-spectrum", "kept-directions", "shrinkage"]
    mosaic = kept(measured).panels[0]
    assert len(mosaic.table.rows) == 2 * 2 * 7
    figure: Any = plots.eigenvectors(measured)
    assert figure.layout.meta["slider"] == "noise level"
    assert [view["label"] for view in figure.layout.meta["views"]] == ["event 1", "event 2"]
    assert [frame.name for frame in figure.frames] == ["σ = 0.1", "σ = 1"]
    shown = [f"{value:.2g}" for value in measured["eigenvalue"].values[0, 1]]
    assert list(figure.data[1].text) == shown
    assert np.nanmax(np.abs(figure.data[0].z)) == 1
    walks = posterior_walks(shrink, measured)
    sheets = posterior(walks, measured, examples_of((3, 4, 5))).panels
    assert [panel.name for panel in sheets] == ["posterior-1", "posterior-2"]
    for panel in sheets:
        assert isinstance(panel.content, Slides)
        assert panel.content.name == "noise level"
        assert [slide.label for slide in panel.content.slides] == ["σ = 0.1", "σ = 1"]


def test_events_of_two_numbers_are_drawn_in_the_plane_and_others_number_by_number():
    for shape, n_choices in (((2,), 0), ((5,), 2)):
        measured = measured_of(shape)
        (panel,) = posterior(posterior_walks(shrink, measured), measured, examples_of(shape)).panels
        meta = panel.content.layout.meta  # pyright: ignore[reportAttributeAccessIssue]
        assert meta["slider"] == "noise level"
        assert len(meta.get("views", ())) == n_choices
        assert len(panel.table.rows) == 2 * 2 * 2


def test_walks_of_the_plane_reach_two_standard_deviations():
    measured = measured_of((2,))
    walks = posterior_walks(shrink, measured)
    assert walks is not None
    figure = plots.posterior_plane(walks, measured, np.zeros((3, 2)))
    (line,) = (trace for trace in figure.data if trace.name == "± 2 s.d., component 1")
    ends = np.array([line.x[:5], line.y[:5]]).T  # one point, before the gap
    length = np.linalg.norm(ends[4] - ends[0])
    assert length == pytest.approx(4 * float(walks["standard_deviation"][0, 1, 0]), rel=1e-4)
    assert np.isnan(line.x[5])


def test_no_eigenpairs_are_said_and_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch):
    class NoReverse(torch.autograd.Function):
        """Like the identity, but no derivative passes."""

        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, *gradients):
            raise RuntimeError("no derivative")

    def opaque(x, sigma):
        return NoReverse.apply(shrink(x, sigma))

    from scorelens.core.jacobian import at_points

    monkeypatch.setattr(at_points, "FORMED_DIM", 3)
    measured = measure_geometry(opaque, torch.ones(1, 300), SIGMAS, 2)
    assert measured.attrs["method"] == "none"
    assert posterior_walks(opaque, measured) is None
    section = kept(measured)
    assert not section.panels
    assert "could not be had" in section.absent[0]
    assert posterior(None, measured, examples_of((300,))).absent
    assert "could not be had" in derivatives(measured, xr.Dataset(attrs={"way": "w"})).tables[0].rows[1][1]
    remarks = geometry_remarks(measured, xr.Dataset(attrs={"n_events": 200}))
    assert "still hold" in remarks[0]
    assert "differences" in remarks[1]


@pytest.fixture(scope="module")
def levels() -> tuple[xr.Dataset, xr.Dataset]:
    train, held_out = load("gaussian:dim=4,n=400").split(0.5, seed=0)
    spectrum = fit_spectrum(train.blocks, (4,))
    risks = risk_over_levels(shrink, train, held_out, spectrum, SIGMAS)
    points = torch.from_numpy(held_out[np.arange(2)])
    return risks, dimension_over_levels(shrink, points, np.geomspace(0.01, 1, 5))


def test_the_risk_is_shown_relative_and_absolute_with_two_standard_errors(levels):
    risks, _ = levels
    (panel,) = risk(risks).panels
    figure = panel.content
    assert [view["label"] for view in figure.layout.meta["views"]][1] == "absolute"  # pyright: ignore[reportAttributeAccessIssue]
    n = len(figure.data) // 2  # pyright: ignore[reportAttributeAccessIssue]
    relative, absolute = figure.data[0], figure.data[n]  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(absolute.y, risks["risk_true"])
    np.testing.assert_allclose(absolute.error_y.array, 2 * risks["risk_true_standard_error"])
    np.testing.assert_allclose(relative.y, risks["risk_true"] / risks["linear_floor"])
    error = float(risks["risk_true"][0])
    assert panel.table.rows[0][1].startswith(f"{error:.4g}\u00a0±")


def test_dimension_is_shown_for_the_mean_and_each_event(levels):
    _, dimensions = levels
    section = dimension(dimensions)
    views = section.panels[0].content.layout.meta["views"]  # pyright: ignore[reportAttributeAccessIssue]
    assert [view["label"] for view in views] == ["mean of all", "event 1", "event 2"]
    assert len(section.tables[0].rows) == 2 * 3
    few = dimensions.drop_vars([name for name in dimensions if "flipd" not in str(name)])
    assert "Only FLIPD" in dimension(few).notes[0]


def test_sentences_say_what_the_numbers_say(levels):
    risks, dimensions = levels
    measured = measured_of((4,), 4)
    said = " ".join(geometry_sentences(measured, dimensions, risks))
    trace = float(measured["trace"].mean("point")[0])
    assert f"keeps about {trace:.2g} at σ 0.1" in said
    assert "agrees with the true error on the same 200 held-out events" in said
    off = risks.assign(z=risks["z"] + 10)
    assert "differs from" in " ".join(geometry_sentences(measured, dimensions, off))
    skewed = measured.assign(asymmetry=measured["asymmetry"] + 0.5)
    assert "up to 0.5 of |J|" in " ".join(geometry_sentences(skewed, dimensions, risks))
    resting = dimensions.assign(flipd_status=("point", ["no plateau"] * 2))
    assert "No local dimension is read" in geometry_sentences(measured, resting, risks)[-1]


def test_pairs_that_did_not_converge_are_remarked_on():
    measured = measured_of((4,), 2)
    converged = measured["converged"].copy()
    converged[0, 0, 1] = False
    error = measured["eigenvalue_error"].copy()
    error[0, 0, 1] = 0.3 * float(measured["eigenvalue"][0, 0, 1])
    rough = measured.assign(converged=converged, eigenvalue_error=error)
    (remark,) = geometry_remarks(rough, xr.Dataset(attrs={"n_events": 200}))
    assert remark.startswith("1 of 8 eigenpairs did not converge")
    assert "0.3" in remark
    reverse = measured.assign_attrs(way="J v by reverse mode; forward mode disagrees with differences by 1%")
    assert geometry_remarks(reverse, xr.Dataset(attrs={"n_events": 200})) == ()
    halved = measured.assign_attrs(way="J v by forward mode; float16 weights evaluated in float32")
    (remark, few) = geometry_remarks(halved, xr.Dataset(attrs={"n_events": 20}))
    assert "half precision" in remark
    assert "Only 20 held-out events" in few
    table = derivatives(rough, xr.Dataset(attrs={"way": "w"})).tables[1]
    assert [row[4] for row in table.rows] == ["3 of 4", "4 of 4"]


def test_the_likelihood_tells_what_the_model_saves():
    n = 4
    found = xr.Dataset(
        {
            "bits": ("event", np.array([1.0, 2.0, 1.0, 2.0])),
            "gaussian_bits": ("event", np.array([2.0, 3.0, 2.0, 3.0])),
            "bits_standard_error": ("event", np.zeros(n)),
            "bits_numeric_error": ("event", np.zeros(n)),
            "converged": ("event", np.array([True, True, True, False])),
            "sigma": ((), 0.1),
        }
    )
    table = likelihood(found).tables[0]
    assert table.rows[0][1:3] == ("1.500", "0.289")
    assert table.rows[2][1:] == ("1.000", "0.000", "1.000", "1.000")
    assert "1 of 4 did not converge" in table.note
