"""Chapters on fitted scores: how far off, where, and what that does to samples."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens import plots
from scorelens.analysis.generalization_words import error_share, share_words, status_words
from scorelens.report.panel import Panel, Section
from scorelens.report.table import Table, text
from scorelens.results import Generalization

ROWS = 40
#: A share of the predicted bias with a larger standard error tells nothing.
TELLING = 0.5


def errors(made: Generalization, levels: xr.Dataset) -> Section:
    """The chapter on the error by noise level: variance, bias and features."""
    return Section(
        name="errors",
        short_title="Errors",
        title="How far off a fit is, by noise level",
        lead=(
            "A fit errs because it has seen few draws (its variance, and a smaller bias) and because its "
            "features cannot hold the true score, however many draws there are. Which of them is larger "
            "differs with the noise level."
        ),
        panels=(_errors_panel(made, levels),),
        tables=(_test_table(levels),),
    )


def _errors_panel(made: Generalization, levels: xr.Dataset) -> Panel:
    caption = (
        "Root mean squares over the noised data, per component, times σ: at 1 the error is as large as the "
        "noise. Points: standard deviation between models, with 95% intervals. Solid: predicted, by the "
        "sandwich [G9] (bins: exact [G13]) and the leading bias [G10]. Dotted: the rule of thumb, with the "
        "leverage L. Choose the features."
    )
    columns: dict[str, list] = {"features": [], "σ": [], "predicted": [], "measured": [], "rule of thumb": []}
    columns |= {"if Gaussian": [], "bias": [], "features' misfit": [], "true score": []}
    names = (
        "predicted",
        "measured",
        "rule_of_thumb",
        "if_gaussian",
        "predicted_bias",
        "misfit",
        "score_size",
    )
    for spec in levels["features"].values.tolist():
        for sigma in levels["sigma"].values:
            one = levels.sel(features=spec, sigma=sigma)
            columns["features"].append(spec)
            columns["σ"].append(float(sigma))
            for column, name in zip(list(columns)[2:], names, strict=True):
                columns[column].append(float(sigma) * float(np.sqrt(np.maximum(one[name], 0.0))))
    table = Table.of_columns("σ times the root mean square of each part", columns)
    return Panel("errors", "Parts of the error", caption, plots.score_errors(levels), table)


def _test_table(levels: xr.Dataset) -> Table:
    header = (
        "features",
        "σ",
        "measured / predicted variance",
        "z",
        "power",
        "bias found",
        "variance / score",
    )
    rows = []
    for spec in levels["features"].values.tolist():
        share = error_share(levels.sel(features=spec), "measured")
        for k, sigma in enumerate(levels["sigma"].values):
            one = levels.sel(features=spec).isel(sigma=k)
            rows.append(
                (
                    spec,
                    text(float(sigma)),
                    _pm(one["measured"] / one["predicted"], one["measured_error"] / one["predicted"]),
                    text(float(f"{float(one['z']):.1f}")) if np.isfinite(one["z"]) else "–",
                    f"{float(one['power']):.0%}" if np.isfinite(one["power"]) else "–",
                    _pm(one["bias_found"], one["bias_found_error"])
                    if one["bias_found_error"] < TELLING
                    else "–",
                    share_words(float(share[k])),
                )
            )
    note = (
        "± two standard errors. z: measured less predicted, in standard errors; power: the smallest relative "
        "error of the prediction that would be 4.5 of them off. Bias found: measured along the predicted "
        "bias, 1 is all of it; – where the bias is too small to be seen. Last: standard deviation of the fit "
        "over the size of the true score."
    )
    return Table("Prediction and measurement", header, tuple(rows), note)


def _pm(value: xr.DataArray, error: xr.DataArray) -> str:
    if not np.isfinite(value):
        return "–"
    around = f" ± {2 * float(error):.2f}" if np.isfinite(error) else ""
    return f"{float(value):.2f}{around}".replace(" ", "\u00a0").replace("-", "−")


def places(made: Generalization, found: xr.Dataset) -> Section:
    """The chapter on where the variance lives."""
    where = {
        1: "over the line; ticks are data.",
        2: "over the plane; white dots are data. Choose what is shown.",
    }.get(made.dim, "against the leverage, each point a place of the noised data.")
    caption = (
        f"Variances, per component and times σ², {where} C(x) is the variance of the target given x, [G4], "
        "which regression has to average away: with little noise it lives half-way between data points. "
        "The variance of the model is C carried through the features: it is largest where leverage is, the "
        "share that one sample here has in the fit. Move the noise level."
    )
    panel = Panel("where", "Variance by place", caption, plots.score_variance(found), _places_table(found))
    return Section(
        name="where",
        short_title="Where",
        title="Where the variance lives",
        lead="The same fits, place by place, also outside the data, where samplers may stray.",
        panels=(panel,),
    )


def _places_table(found: xr.Dataset) -> Table:
    """Quantiles over the places."""
    rows = []
    dims = [d for d in found["leverage"].dims if d not in ("features", "sigma")]
    for spec in found["features"].values.tolist():
        for sigma in found["sigma"].values:
            one = found.sel(features=spec, sigma=sigma)
            cells = [spec, text(float(sigma))]
            for name in ("target", "predicted", "measured"):
                low, mid, high = (
                    float(q) * float(sigma) ** 2 for q in one[name].quantile([0.1, 0.5, 0.9], dims)
                )
                cells.append(f"{low:.2g}, {mid:.2g}, {high:.2g}")
            measured, predicted = (_log(one[name]) for name in ("measured", "predicted"))
            cells.append(f"{np.corrcoef(measured, predicted)[0, 1]:.3f}")
            rows.append(tuple(cells))
    header = ("features", "σ", "C σ²", "predicted σ²", "measured σ²", "correlation of logarithms")
    note = "10%, 50% and 90% quantiles over the places shown; the correlation is of predicted and measured."
    return Table("Variance over places", header, tuple(rows[:ROWS]), note)


def _log(values: xr.DataArray) -> np.ndarray:
    return np.log(np.maximum(values.values.ravel(), 1e-300))


def samples(made: Generalization, clouds: xr.Dataset, moments: xr.Dataset) -> Section:
    """The chapter on what the fits do to samples."""
    high, low = made.sampler
    lead = (
        f"Samples by {made.steps} Euler steps from noise {high:.2g} to {low:.2g}, with a fit of its own for "
        "each step. A single model has one training set per step; the law averaged over training sets is "
        "that of trajectories that draw a fresh one at every step."
    )
    shown = clouds.sizes["axis"]
    caption = (
        "Gray: data. Choose the population's fit (endless draws) or one of the training sets, which all "
        "start from the same noise: what differs is the variance of the fits."
    )
    figure = plots.clouds(clouds) if shown == 2 else plots.samples_on_a_line(clouds)
    panel = Panel("samples", "Samples of single models", caption, figure, _clouds_table(clouds))
    return Section(
        name="samples",
        short_title="Samples",
        title="What that does to samples",
        lead=lead,
        panels=(panel,),
        tables=(_moments_table(moments), _validity_table(made, moments)),
    )


def _clouds_table(clouds: xr.Dataset) -> Table:
    named = {"data": clouds["data"].values}
    named |= {name: clouds["sampled"].sel(estimator=name).values for name in clouds["estimator"].values}
    columns: dict[str, list] = {"points of": list(named)}
    for axis, title in enumerate(clouds["axis"].values.tolist()):
        columns[f"mean, {title}"] = [float(points[:, axis].mean()) for points in named.values()]
        columns[f"standard deviation, {title}"] = [float(points[:, axis].std()) for points in named.values()]
    return Table.of_columns("Samples in numbers", columns)


def _moments_table(moments: xr.Dataset) -> Table:
    rows = []
    for spec in moments["features"].values.tolist():
        for entry in moments["entry"].values.tolist():
            one = moments.sel(features=spec, entry=entry)
            rows.append(
                (
                    spec,
                    entry,
                    text(float(one["data"])),
                    text(float(one["free"])),
                    _added(one, "measured", "measured_error"),
                    _added(one, "predicted", "predicted_error"),
                    text(float(one["if_gaussian"])),
                    _z(one),
                )
            )
    header = (
        "features",
        "variance",
        "data",
        "endless draws",
        "fits add, measured",
        "predicted",
        "if Gaussian [G23]",
        "z",
    )
    note = (
        "Variance of samples with endless draws, and what fits to finitely many add to it, ± two standard "
        "errors, trajectory by trajectory from the same start. Predicted: an Euler scheme with fresh noise "
        "at each step, with the sandwich [G9] and the bias [G10]. If Gaussian: the exact recursion [G23] for "
        "affine fits of Gaussian data of the same mean and covariance. z: measured less predicted (or less "
        "[G23] where that is the only one), in standard errors of both."
    )
    return Table("Variance of samples, averaged over training sets", header, tuple(rows), note)


def _added(one: xr.Dataset, name: str, error: str) -> str:
    value = float(one[name])
    if not np.isfinite(value):
        return "–"
    return f"{value:.3g} ± {2 * float(one[error]):.2g}".replace(" ", "\u00a0").replace("-", "−")


def _z(one: xr.Dataset) -> str:
    predicted, error = float(one["predicted"]), float(one["predicted_error"])
    if not np.isfinite(predicted):
        predicted, error = float(one["if_gaussian"]), 0.0
    z = (float(one["measured"]) - predicted) / float(np.hypot(one["measured_error"], error))
    return f"{z:.1f}".replace("-", "−") if np.isfinite(z) else "–"


def _validity_table(made: Generalization, moments: xr.Dataset) -> Table:
    rows = []
    for spec in moments["features"].values.tolist():
        one = moments.sel(features=spec).isel(entry=-1)
        said = (
            status_words(one)
            or "should hold: by number and leverage, the leading order misses less than a tenth"
        )
        rows.append((spec, said, text(int(one["runs"])), text(int(one["lost"]))))
    return Table(
        "How far the prediction may be trusted",
        ("features", "prediction", "trajectories", "ran away"),
        tuple(rows),
        f"Each of the {made.steps} fits of a trajectory has {made.samples:,} draws of its own.",
    )
