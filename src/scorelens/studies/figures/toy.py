"""The published toy: what models of three points generate on average, and where their scores differ."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, final

import numpy as np
import xarray as xr

from scorelens.plots.toy import boundaries, densities, shares_away
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.score_variance.source import COMPUTED
from scorelens.studies.score_variance.toy import (
    AWAY,
    BETWEEN,
    OUTSIDE,
    POINTS,
    VARIATIONS,
    Budget,
    picture,
    toy,
)

VALID, BEYOND = 0.1, 0.5
"""Leverage below which the leading order is looked at as valid, and above which as not."""
SEEN = 3.0
OTHERS = {"naive": "target without noise", "of_mean": "mean of the scores"}
EARLY = (0.01, 0.03)
LATE = 0.1
"""Times at which the noise is far below, and near, the distance between points."""


@final
class Toy(FigureStudy):
    """The public toy protocol of the published version (generalisation, section 8), with its boundaries."""

    name = "toy"
    title = "Three points, many models"
    claim = Claim(
        "Models generalise because the target of denoising varies, most at boundaries between training "
        "points: averaged over models, samples fill the gaps there, and keep to the law of the mean score "
        "only where the score does not vary",
        "Props. 3.1 and 4.1, the toy of three points",
        "generalisation [G4], [G5], [G9], [G11], section 8",
        source=(
            "Vastola 2025; protocol as its public code has it, claim in our words, from its abstract; "
            "the text of Eqs. 13 and 16 was not available"
        ),
        citation=(
            "Generalisation through variance",
            "J. J. Vastola, Generalization through variance: how noise shapes inductive biases in diffusion "
            "models, ICLR 2025, arXiv:2504.12532",
        ),
        computed=COMPUTED,
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return toy(self.budget)

    def findings(self, data: Data) -> Findings:
        shares, variance = data["shares"], data["variance"]
        return Findings(
            (_gaps(shares), _more_draws(shares), _boundaries(variance), _outside(shares)),
            (
                _not_the_target(shares),
                _width(data["varied"]),
                _mean_score(shares),
                _few_draws(variance),
                _beyond(variance),
                _validity(variance),
                _late(variance),
            ),
            (_where_valid(variance), _features(shares)),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        samples, shares, variance = data["samples"], data["shares"], data["variance"]
        models, starts = samples.sizes["seed"], samples.sizes["sample"]
        lead = (
            f"{models} models per number of draws and smallest time, each fitted to its own draws of the "
            "points −1, 0 and 1 (variance preserving, β from 0.1 to 20, uniform times, loss weight σ² of the "
            f"score, 256 bumps in state and time, ridge 0.1); 30 Euler steps from {starts} starts, the same "
            "for all. Where the bumps lie, and that steps are equal, is our choice."
        )
        drawn = (
            "Histograms of the samples, density from 0.001 to 20, logarithmic. Filled: all models. Thin: "
            "three models alone. Dotted grey: all models whose target has no noise. Vertical lines: the data."
        )
        shared = (
            f"Share of samples farther than {AWAY:g} from every point: solid, models, with 95% intervals "
            "over them; dashed, models of the same draws whose target has no noise."
        )
        variances = (
            "Variance of the score over the state, at the smallest time 0.001 of training: of the target "
            "given the state, C(x, t); between models; and by the leading order [G9] with the ridge. "
            "Below, the leverage: the share of a fit that one draw at this state and time has; the dotted "
            f"line is {VALID:g}. Where the leverage is near 1 or above, the leading order is not it."
        )
        middle = variance.sel(cutoff=_middle(variance))
        return (
            Section(
                "samples",
                "Samples",
                "What models generate",
                lead,
                (
                    Panel("densities", "Samples", drawn, densities(samples, POINTS), _table(shares)),
                    Panel(
                        "shares", "Samples away from the points", shared, shares_away(shares), _table(shares)
                    ),
                ),
            ),
            Section(
                "boundaries",
                "Boundaries",
                "Where the score varies",
                "Half-way between two points a noised state may have come from either: there the target "
                "varies, and near a point it does not.",
                (
                    Panel(
                        "boundaries",
                        "Variance of the score between the points",
                        variances,
                        boundaries(middle, VALID),
                        _boundary_table(variance),
                    ),
                ),
                (_leverage_table(variance),),
            ),
        )


def _middle(variance: xr.Dataset) -> float:
    """The smallest time at which boundaries are shown."""
    return float(variance["cutoff"].values[variance.sizes["cutoff"] // 2])


def _table(shares: xr.Dataset) -> Table:
    rows = []
    for n in shares["n_samples"].values:
        for cutoff in shares["cutoff"].values:
            one = shares.sel(n_samples=n, cutoff=cutoff)
            told = [_measured(one.sel(part=part)) for part in (BETWEEN, OUTSIDE)]
            other = [
                f"{float(one[name].sel(part=part)):.1%}" for name in OTHERS for part in (BETWEEN, OUTSIDE)
            ]
            exact = f"{float(one['exact'].sel(part=BETWEEN)):.1%}"
            rows.append((f"{n}", f"{cutoff:g}", *told, *other, exact, f"{float(one['spread']):.1%}"))
    header = (
        "draws",
        "smallest time",
        *(BETWEEN, OUTSIDE),
        *(f"{part}, {name}" for name in OTHERS.values() for part in (BETWEEN, OUTSIDE)),
        f"{BETWEEN}, score of the points",
        "variance between models",
    )
    note = (
        "± half a 95% interval over models. The last column is the share of the samples' variance that "
        "differs between models from one start."
    )
    return Table(f"Share of samples farther than {AWAY:g} from every point", header, tuple(rows), note)


def _measured(one: xr.Dataset) -> str:
    return f"{100 * float(one['share']):.1f} ± {196 * float(one['stderr']):.1f}%"


def _boundary_table(variance: xr.Dataset) -> Table:
    rows = []
    for n in variance["n_samples"].values:
        found = picture(variance.sel(n_samples=n, cutoff=_middle(variance)))
        ratios = zip(found.t, *found.boundary_over_point, found.correlation, strict=True)
        rows += [(f"{n}", f"{t:g}", f"{c:.3g}", f"{m:.3g}", f"{r:.2f}") for t, c, m, r in ratios]
    header = ("draws", "t", "target", "between models", "correlation")
    note = (
        "Variance half-way between points over that at points. Correlation: of the logarithms of measured "
        "and predicted variance over the state."
    )
    return Table("Boundary over point", header, tuple(rows), note)


def _leverage_table(variance: xr.Dataset) -> Table:
    ratio, leverage = (variance["measured"] / variance["predicted"]).values, variance["leverage"].values
    edges = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, np.inf)
    rows = []
    for low, high in pairwise(edges):
        chosen = ratio[(leverage >= low) & (leverage < high)]
        if chosen.size:
            ends = np.percentile(chosen, [5, 50, 95])
            share = f"{chosen.size / ratio.size:.0%}"
            rows.append(
                (f"{low:g} to {high:g}", share, *(f"{end:.3g}" for end in ends), f"{chosen.max():.3g}")
            )
    header = ("leverage", "states", "5%", "median", "95%", "largest")
    return Table("Measured over predicted variance, by leverage", header, tuple(rows))


def _of(shares: xr.Dataset, part: str, name: str = "share") -> xr.DataArray:
    return shares[name].sel(part=part)


def _percent(values: xr.DataArray) -> str:
    return f"{100 * float(values.min()):.1f}% to {100 * float(values.max()):.1f}%"


def _gaps(shares: xr.Dataset) -> str:
    return (
        f"samples fill the gaps: {_percent(_of(shares, BETWEEN))} of them lie between the points, farther "
        f"than {AWAY:g} from each; the same steps with the score of the points leave "
        f"{_percent(_of(shares, BETWEEN, 'exact'))} there."
    )


def _more_draws(shares: xr.Dataset) -> str:
    away = shares["share"].sum("part").mean("cutoff")
    return (
        "more draws of the same three points, less of it: from "
        f"{int(away['n_samples'][0])} to {int(away['n_samples'][-1])} draws the share away from the points "
        f"falls from {float(away[0]):.1%} to {float(away[-1]):.1%}, and the share of the samples' variance "
        f"that differs between models from {float(shares['spread'][0].mean()):.0%} to "
        f"{float(shares['spread'][-1].mean()):.0%} (means over the smallest times)."
    )


def _pictures(variance: xr.Dataset, n: int) -> list:
    return [picture(variance.sel(n_samples=n, cutoff=cutoff)) for cutoff in variance["cutoff"].values]


def _ratios(variance: xr.Dataset, n: int, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boundary over point of target and models, and the correlation, at ``t`` over the smallest times."""
    at = int(np.abs(variance["time"].values - t).argmin())
    found = [(*p.boundary_over_point, p.correlation) for p in _pictures(variance, n)]
    return tuple(np.array([one[i][at] for one in found]) for i in range(3))  # pyright: ignore[reportReturnType]


def _told(values: np.ndarray, digits: str = ".3g") -> str:
    return f"{values.min():{digits}} to {values.max():{digits}}"


def _boundaries(variance: xr.Dataset) -> str:
    n = int(variance["n_samples"].max())
    early, late = (_ratios(variance, n, t) for t in EARLY)
    correlations = np.concatenate([early[2], late[2]])
    return (
        f"with {n} draws the variance between models lives at the boundaries, as that of the target does: "
        f"half-way between points it is {_told(early[1])} times that at points at t {EARLY[0]:g}, and "
        f"{_told(late[1])} times at {EARLY[1]:g} (target: {late[0][0]:.1e} times); over the state it follows "
        f"the leading order, correlation of logarithms {_told(correlations, '.2f')}."
    )


def _outside(shares: xr.Dataset) -> str:
    z = _added(shares, OUTSIDE)
    return (
        "what lies outside all points is due to the noise of the target: "
        f"{_percent(_of(shares, OUTSIDE))} of the models' samples, "
        f"{_percent(_of(shares, OUTSIDE, 'naive'))} with a target without noise (fewer by more than 3 "
        f"standard errors in {int((z > SEEN).sum())} of {z.size} cases), and "
        f"{_percent(_of(shares, OUTSIDE, 'of_mean'))} with the mean of the models' scores."
    )


def _not_the_target(shares: xr.Dataset) -> str:
    z = _added(shares, BETWEEN)
    return (
        "the noise of the target does not fill the gaps: models of the same draws that are told the mean of "
        "the data given the noised point, a target without noise, leave "
        f"{_percent(_of(shares, BETWEEN, 'naive'))} of their samples there, fewer by more than 3 standard "
        f"errors in {int((z > SEEN).sum())} of {z.size} cases and more in {int((z < -SEEN).sum())}."
    )


def _width(varied: xr.Dataset) -> str:
    """What is left of the filled gaps, without noise in the target, as bumps and ridge are varied."""
    told = [
        f"of {n} draws "
        + ", ".join(f"{_naive(varied.sel(n_samples=n, case=name))} {name}" for name in VARIATIONS)
        for n in varied["n_samples"].values
    ]
    return (
        "what fills them is that the models cannot hold the score of points, from few draws and with wide "
        f"bumps; the ridge hardly matters. At smallest time {float(varied['cutoff']):g}, with a target "
        f"without noise, there lie {'; '.join(told)}. The score of the points leaves "
        f"{float(varied['exact']):.1%}."
    )


def _naive(one: xr.Dataset) -> str:
    return f"{100 * float(one['naive']):.1f} ± {196 * float(one['naive_stderr']):.1f}%"


def _added(shares: xr.Dataset, part: str) -> xr.DataArray:
    """What the noise of the target adds to the share, in standard errors."""
    return (shares["added"] / shares["added_stderr"]).sel(part=part)


def _mean_score(shares: xr.Dataset) -> str:
    models, mean = _of(shares, BETWEEN), _of(shares, BETWEEN, "of_mean")
    return (
        "nor is it the variance between models: with the mean of the models' scores, which has none, "
        f"{_percent(mean)} of the samples lie between the points, more than with the models themselves in "
        f"{int((mean > models).sum())} of {models.size} cases."
    )


def _few_draws(variance: xr.Dataset) -> str:
    n = int(variance["n_samples"].min())
    target, models, correlation = _ratios(variance, n, EARLY[0])
    return (
        f"with {n} draws the variance is not at the boundaries: at t {EARLY[0]:g} it is {_told(models)} "
        f"times as large there as at points, where that of the target is {target[0]:.0e} times, and its "
        f"logarithm is uncorrelated with that of the leading order ({_told(correlation, '.2f')})."
    )


def _validity(variance: xr.Dataset) -> str:
    ratio, leverage = (variance["measured"] / variance["predicted"]).values, variance["leverage"].values
    low, high = ratio[leverage < VALID], ratio[leverage > BEYOND]
    below, above = np.percentile(low, [5, 50, 95]), np.percentile(high, [5, 50, 95])
    return (
        "the leading order, on which the effective noise rests, holds only where one draw has little "
        f"leverage: below {VALID:g} measured over predicted is {below[0]:.2f} to {below[2]:.2f} (median "
        f"{below[1]:.2f}, 5% to 95% of the states), above {BEYOND:g} it is {above[0]:.2f} to {above[2]:.0f} "
        f"(median {above[1]:.2f}), at most {high.max():.0f}."
    )


def _late(variance: xr.Dataset) -> str:
    n = int(variance["n_samples"].max())
    target, models, _ = _ratios(variance, n, LATE)
    return (
        f"nor does the picture outlive small times: at t {LATE:g}, with noise half as wide as the gaps, "
        f"boundary over point is {target[0]:.2f} for the target and {_told(models, '.2f')} between models "
        f"of {n} draws."
    )


def _beyond(variance: xr.Dataset) -> str:
    n, middle = int(variance["n_samples"].max()), (POINTS[0] + POINTS[1]) / 2
    one = variance["measured"].sel(n_samples=n, time=EARLY[0], method="nearest").mean("cutoff")
    ratio = float(one.sel(x=[-2.0, 2.0], method="nearest").mean() / one.sel(x=middle, method="nearest"))
    return (
        f"beyond the outer points, where the target hardly varies, models do: at x ±2 and t {EARLY[0]:g} "
        f"those of {n} draws vary {ratio:.2g} times as much as half-way between points, as few draws fall "
        "there."
    )


def _where_valid(variance: xr.Dataset) -> str:
    valid = (variance["leverage"] < VALID).mean(("x", "cutoff"))
    few, many = valid.isel(n_samples=0), valid.isel(n_samples=-1)
    first, last = float(variance["time"][0]), float(variance["time"][-1])
    return (
        f"leverage is below {VALID:g} at {float(valid.mean()):.0%} of the states shown: of "
        f"{int(many['n_samples'])} draws at {float(many[0]):.0%} at t {first:g} and {float(many[-1]):.0%} at "
        f"{last:g}; of {int(few['n_samples'])} at {float(few[0]):.0%} and {float(few[-1]):.0%}."
    )


def _features(shares: xr.Dataset) -> str:
    effective = shares["effective_features"].mean("cutoff")
    ends = ", ".join(f"{float(effective[i]):.0f} with {int(shares['n_samples'][i])} draws" for i in (0, -1))
    return f"the ridge leaves few of the 256 bumps: {ends}."
