"""One network trained by every objective on a mixture whose score is known."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import xarray as xr
from scipy import stats

from scorelens.plots.objectives import objective_errors
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.objective_scores import MODES, SPREAD, Budget, objective_scores

CONFIDENCE = 0.95
APART = 3
DIRECTIONAL = ("implicit", "hutchinson", "sliced", "sliced-vr", "finite-difference")


@final
class Objectives(FigureStudy):
    """Score errors of an MLP trained by every objective, weight and law of noise levels, with intervals."""

    name = "objectives"
    title = "One network, every objective"
    claim = Claim(
        "Implicit, sliced, projected and denoising score matching have the minimum of explicit score "
        "matching: the score",
        "Sections 3 and 4 of the former, Theorem 1 of the latter",
        "score estimation [S1]-[S4], [L1]-[L5]",
        source="Vincent 2011; Song et al. 2019",
        citation=(
            "The objectives",
            "P. Vincent, A connection between score matching and denoising autoencoders, 2011; Y. Song, S. "
            "Garg, J. Shi and S. Ermon, Sliced score matching, UAI 2019",
        ),
        computed="Everything random follows from the seeds 0, 1, ...; times are of the machine that trained.",
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return {"objectives": objective_scores(self.budget)}

    def findings(self, data: Data) -> Findings:
        scores = data["objectives"]
        return Findings(
            (_one_minimum(scores), _less_noise(scores)),
            (_not_one_budget(scores), _weights(scores)),
            (_cost(scores), _past_its_target(scores), _seeds(scores)),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        scores = data["objectives"]
        facts = scores.attrs
        lead = (
            f"An MLP-UNet of width 48 learns {MODES} Gaussians of standard deviation {SPREAD:g} on the unit "
            f"circle from {facts['n_points']:,} samples, by {facts['steps']:,} steps of "
            f"{facts['batch_size']} samples for every row, with the same draws for the same seed; "
            f"{scores.sizes['seed']} seeds. Rows change one thing from denoising with EDM's weight and noise "
            "levels."
        )
        caption = (
            "Mean squared error of the score over the mean square of the exact score of the noised mixture, "
            f"at fresh points: mean over seeds with its {CONFIDENCE:.0%} interval. Dotted: the best linear "
            "denoiser at each level. Intervals that reach 0 are cut."
        )
        panel = Panel("errors", "Score error", caption, objective_errors(_summary(scores)), _table(scores))
        return (
            Section(
                "errors-section", "Errors", "Score error by objective", lead, (panel,), (_costs(scores),)
            ),
        )


def _mean_and_half_width(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over seeds and half the width of its Student interval."""
    n = values.sizes["seed"]
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * values.std("seed", ddof=1) / np.sqrt(n)
    return values.mean("seed"), half


def _summary(scores: xr.Dataset) -> xr.Dataset:
    mean, half = _mean_and_half_width(scores["relative_error"])
    reference = scores["gaussian_error"].mean("seed")
    return xr.Dataset({"mean": mean, "half_width": half, "reference": reference})


def _told(values: xr.DataArray) -> str:
    """Mean and interval of shares, in per cent.

    >>> _told(xr.DataArray([0.101, 0.099, 0.1], dims="seed"))
    '10 ± 0.25'
    """
    mean, half = (100.0 * float(part) for part in _mean_and_half_width(values))
    return f"{mean:.3g} ± {half:.2g}"


def _table(scores: xr.Dataset) -> Table:
    levels = [float(sigma) for sigma in scores["sigma"].values]

    def told(values: xr.DataArray) -> list[str]:
        return [_told(values.sel(sigma=sigma)) for sigma in levels]

    rows = [
        (str(family), str(name), *told(scores["relative_error"].sel(objective=name)))
        for name, family in zip(scores["objective"].values, scores["family"].values, strict=True)
    ]
    for name, label in (("training_set_error", "the noised training set"), ("gaussian_error", "best linear")):
        rows.append(("no network", label, *told(scores[name])))
    header = ("varied", "trained by", *(f"σ {s:g}" for s in levels))
    note = f"Mean over {scores.sizes['seed']} seeds ± half its {CONFIDENCE:.0%} interval (Student)."
    return Table("Score error, % of the score's power", header, tuple(rows), note)


def _costs(scores: xr.Dataset) -> Table:
    ratio = scores["seconds"] / scores["seconds"].sel(objective="denoising")
    columns = {
        "trained by": [str(name) for name in scores["objective"].values],
        "calls of the network per sample": scores["evaluations"].values.astype(int),
        "time, denoising = 1": [f"{float(r):.2g}" for r in ratio.median("seed")],
    }
    return Table.of_columns("What the same steps cost", columns, "Processor time, median over seeds.")


def _errors(scores: xr.Dataset, name: str, level: int) -> xr.DataArray:
    return scores["relative_error"].sel(objective=name).isel(sigma=level)


def _percent(scores: xr.Dataset, name: str, level: int = 0) -> float:
    return 100.0 * float(_errors(scores, name, level).mean())


def _of_family(scores: xr.Dataset, family: str) -> list[str]:
    return [str(n) for n in scores["objective"].values[scores["family"].values == family]]


def _one_minimum(scores: xr.Dataset) -> str:
    """How far all objectives are, at a level where they had the time to get there."""
    names, level = _of_family(scores, "objective"), 2
    means = [_percent(scores, name, level) for name in names]
    linear = 100.0 * float(scores["gaussian_error"].isel(sigma=level).mean())
    below = sum(mean < linear for mean in means)
    return (
        f"the objectives learn one score: at σ {float(scores['sigma'][level]):g} the errors of "
        f"{below} of {len(names)} are below the best linear denoiser's {linear:.2g}%, between "
        f"{min(means):.2g}% and {max(means):.2g}%."
    )


def _less_noise(scores: xr.Dataset) -> str:
    ratio = _errors(scores, "explicit", 0) / _errors(scores, "denoising", 0)
    return (
        "denoising has the gradient of the explicit objective in the mean, with more noise: told the noised "
        f"training set's own score, the network has {float(ratio.mean()):.2g} times the error of denoising "
        f"at σ {float(scores['sigma'][0]):g} ({float(ratio.min()):.2g} to {float(ratio.max()):.2g} by seed)."
    )


def _not_one_budget(scores: xr.Dataset) -> str:
    plain = _percent(scores, "denoising")
    means = {name: _percent(scores, name) for name in DIRECTIONAL}
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    return (
        f"one minimum is not one budget: at σ {float(scores['sigma'][0]):g} the objectives with a trace have "
        f"after the same steps errors from {means[least]:.3g}% ({least}) to {means[most]:.3g}% ({most}), "
        f"denoising {plain:.3g}%: a target that knows the noise cancels the noise of the square."
    )


def _weights(scores: xr.Dataset) -> str:
    names = ["denoising", *_of_family(scores, "weight of denoising")]
    means = {name: _percent(scores, name) for name in names}
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    density, weight = (_percent(scores, f"σ² as {way}") for way in ("density", "weight"))
    return (
        f"weights have one minimum too, and errors at σ {float(scores['sigma'][0]):g} from "
        f"{means[least]:.3g}% ({least}) to {means[most]:.3g}% ({most}). The same weighted loss with σ² as "
        f"the density of levels instead of a weight has {density:.3g}% instead of {weight:.3g}%: small "
        "levels are hardly drawn."
    )


def _cost(scores: xr.Dataset) -> str:
    ratio = (scores["seconds"] / scores["seconds"].sel(objective="denoising")).median("seed")
    told = ", ".join(
        f"{name} {float(ratio.sel(objective=name)):.2g}" for name in ("implicit", "sliced", "explicit")
    )
    return f"the same steps take, in units of denoising's time: {told}; the second table has all."


def _past_its_target(scores: xr.Dataset) -> str:
    learned, target = _errors(scores, "explicit", 0), scores["training_set_error"].isel(sigma=0)
    return (
        f"the noised training set's own score is wrong by {_told(target)}% at σ "
        f"{float(scores['sigma'][0]):g}, the network that was told it by {_told(learned)}%: so early it has "
        "not learned the training points by heart."
    )


def _seeds(scores: xr.Dataset) -> str:
    errors = scores["relative_error"].isel(sigma=0)
    ratio = errors.max("seed") / errors.min("seed")
    return (
        f"at σ {float(scores['sigma'][0]):g} the worst seed has more than {APART} times the error of the "
        f"best in {int((ratio > APART).sum())} of {ratio.size} rows: by its seed a network leaves the linear "
        "denoiser sooner or later, and wide intervals are of rows in which one had hardly left it."
    )
