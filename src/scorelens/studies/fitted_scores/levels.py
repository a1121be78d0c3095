"""How far off a fitted score is at each noise level: by variance, by bias and by its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from scorelens.analysis.named_features import ChosenFeatures
from scorelens.generalization.ensembles import Draws, LevelFit
from scorelens.generalization.posterior_of_points import PosteriorOfPoints, posterior_of_points
from scorelens.generalization.statistics import AffineOfPoints, Level, OneTime, bin_score
from scorelens.generalization.statistics.averages import DRAWS
from scorelens.generalization.vkernel import finite_sample_correction
from scorelens.instruments.labels import LENGTH, PURE, sigma_coordinate, variable
from scorelens.studies.fitted_scores.asked import LEAST_FOR_ERRORS, Asked

#: Points at which fits are looked at, draws in the average of the misfit, and pairs of points these may take.
PLACES, MISFIT_DRAWS, MOST_PAIRS = 256, 1024, 3e7
#: Numbers in the scores of an ensemble.
MOST_NUMBERS = 4e6
PER_SCORE = f"1 / {LENGTH} squared"
OF_COORDINATE = "of one component of the score, mean over the noised data"


@final
@dataclass(frozen=True, eq=False)
class NoisedData:
    """The noised population at one level: places to look at, and the true score of many draws."""

    sigma: float
    places: np.ndarray
    draws: np.ndarray
    truth: PosteriorOfPoints

    @classmethod
    def of(cls, asked: Asked, sigma: float, rng: np.random.Generator) -> NoisedData:
        def noised(count: int) -> np.ndarray:
            chosen = rng.integers(len(asked.points), size=count)
            return asked.points[chosen] + sigma * rng.standard_normal((count, asked.dim))

        n_places = int(np.clip(MOST_NUMBERS / (asked.models * asked.dim), 16, PLACES))
        draws = noised(int(np.clip(MOST_PAIRS / len(asked.points), 128, MISFIT_DRAWS)))
        return cls(sigma, noised(n_places), draws, posterior_of_points(asked.points, draws, sigma))


@final
@dataclass(frozen=True, eq=False)
class Ensemble:
    """Fits of ``one`` kind of features at one level, with the ``weights (models, F, d)`` of real ones."""

    one: ChosenFeatures
    fit: LevelFit
    weights: np.ndarray

    @classmethod
    def of(cls, asked: Asked, one: ChosenFeatures, fit: LevelFit, rng: np.random.Generator) -> Ensemble:
        resampled: Draws | None = None
        if asked.resample == "bootstrap":
            resampled = fit.draw(asked.n_samples, rng)
        return cls(one, fit, fit.weights(asked.n_samples, asked.models, rng, resampled))

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Of every model at ``x (p, d)``; ``(models, p, d)``."""
        return self.fit.orthonormal(x) @ self.weights

    def predicted_variance(self, x: np.ndarray, n: int) -> np.ndarray:
        """Of one component at ``x (p, d)``, ``(p,)``: exact for bins ([G13]), else the leading order [G9]."""
        if self.one.are_bins and isinstance(self.fit.theory, OneTime):
            return _of_bins(self.fit.theory, x, n)
        return self.fit.total_variance(x) / (n * x.shape[1])

    def measured_variance(self, x: np.ndarray) -> np.ndarray:
        """Of one component between models at ``x (p, d)``, ``(p,)``."""
        return self.scores(x).var(axis=0, ddof=1).mean(axis=1)


def _of_bins(theory: OneTime, x: np.ndarray, n: int) -> np.ndarray:
    level = Level(theory.alpha, theory.std)
    place = theory.features.value(x, level).argmax(axis=1)
    edges = np.asarray(theory.features.breaks(level))
    return bin_score(theory.law, edges, theory.alpha, theory.std, n).variance[place]


def level_errors(asked: Asked, level: NoisedData, ensemble: Ensemble) -> dict[str, float]:
    """All numbers of one kind of features at one level, by their names in `LABELS`."""
    n, x, fit = asked.n_samples, level.places, ensemble.fit
    predicted = float(ensemble.predicted_variance(x, n).mean())
    scores = ensemble.scores(x)
    apart = scores - scores.mean(axis=0)
    each = (apart**2).mean(axis=(1, 2)) * (len(scores) / (len(scores) - 1))
    measured, error = float(each.mean()), _error(each)
    off = ((fit.score(level.draws) - level.truth.score) ** 2).mean(axis=1)
    leverage = fit.leverage(x)
    return {
        "predicted": predicted,
        "measured": measured,
        "measured_error": error,
        "z": (measured - predicted) / error if asked.resample == "fresh" else np.nan,
        "power": 4.5 * error / predicted,
        "rule_of_thumb": float(leverage.mean()) / (n * fit.std**2),
        "if_gaussian": _if_gaussian(asked, fit, leverage) if ensemble.one.is_affine else np.nan,
        "misfit": float(off.mean()),
        "misfit_error": float(off.std(ddof=1) / np.sqrt(len(off))),
        "score_size": float((level.truth.score**2).mean()),
        "target_variance": float(level.truth.target_variance.mean()) / asked.dim,
        "correction": 0.0 if ensemble.one.are_bins else missed(fit, n, leverage),
        "feature_count": float(fit.n_features),
        **_bias(fit, scores, x, n),
    }


def missed(fit: LevelFit, n: int, leverage: np.ndarray) -> float:
    """About what the leading order misses: ``F / n`` for affine fits, more where few samples decide."""
    uneven = float((leverage**2).mean()) / (n * fit.n_features)
    return max(finite_sample_correction(n, fit.n_features), uneven)


def _error(each: np.ndarray) -> float:
    return float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) >= LEAST_FOR_ERRORS else np.nan


def _bias(fit: LevelFit, scores: np.ndarray, x: np.ndarray, n: int) -> dict[str, float]:
    """Size of the bias, predicted and measured, and how much of the predicted one is there: 1 is all."""
    predicted, apart = fit.bias(x) / n, scores - fit.score(x)
    size = float((predicted**2).mean())
    mean = apart.mean(axis=0)
    own = _of_optimum(fit, n)
    noise = apart.var(axis=0, ddof=1) * (1 / len(apart) + own)
    found = {"predicted_bias": size, "measured_bias": float(((mean**2) - noise).mean())}
    telling = size > 1e-12 * float((fit.score(x) ** 2).mean())
    each = (
        np.einsum("rpi,pi->r", apart, predicted) / (size * predicted.size) if telling else np.array([np.nan])
    )
    found["bias_found"] = float(each.mean())
    found["bias_found_error"] = _error(each) * np.sqrt(1 + own * len(each)) if telling else np.nan
    return found


def _of_optimum(fit: LevelFit, n: int) -> float:
    """Variance of the optimum that fits are compared with, over theirs: where it is itself one of draws."""
    theory = fit.theory
    if isinstance(theory, AffineOfPoints) or theory.features.degree is not None:
        return 0.0
    is_exact = bool(theory.features.breaks(Level(theory.alpha, theory.std)))
    return 0.0 if is_exact or not theory.law.is_data_set else n / max(DRAWS, theory.law.n_components)


def _if_gaussian(asked: Asked, fit: LevelFit, leverage: np.ndarray) -> float:
    """[G12] for a Gaussian of the same moments, exact at any number of draws; NaN where it is infinite."""
    n, d = asked.n_samples, asked.dim
    if n <= d + 2:
        return np.nan
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(asked.points.T, bias=True))).clip(0.0)
    trace = float((values / (fit.std**2 * (values + fit.std**2))).mean())
    return trace * (1 / n + (float(leverage.mean()) - 1 + d / n) / (n - d - 2))


LABELS: dict[str, tuple[str, str, str | None]] = {
    "predicted": (f"Predicted variance {OF_COORDINATE}", PER_SCORE, "[G9], bins [G13]"),
    "measured": (f"Variance between models {OF_COORDINATE}", PER_SCORE, None),
    "measured_error": ("Standard error of it", PER_SCORE, None),
    "z": ("Measured less predicted variance, in standard errors", PURE, None),
    "power": ("Smallest relative error of the prediction that would be 4.5 standard errors off", PURE, None),
    "rule_of_thumb": (f"Rule of thumb for the variance {OF_COORDINATE}", PER_SCORE, "L / (n sigma^2) [G11]"),
    "if_gaussian": (f"Variance for Gaussian data of these moments, {OF_COORDINATE}", PER_SCORE, "[G12]"),
    "misfit": ("Mean square of the true score less the best that the features hold", PER_SCORE, "[G8]"),
    "misfit_error": ("Standard error of it", PER_SCORE, None),
    "score_size": ("Mean square of the true score", PER_SCORE, "[G5]"),
    "target_variance": ("Mean variance of the target given x", PER_SCORE, "[G4]"),
    "correction": ("Share of the variance that the leading order misses, about", PURE, "[G12]"),
    "feature_count": ("Number of features", PURE, None),
    "predicted_bias": ("Predicted mean square of the bias", PER_SCORE, "[G10]"),
    "measured_bias": ("Mean square of the bias over models, less what chance adds", PER_SCORE, None),
    "bias_found": ("Share of the predicted bias that is measured", PURE, "[G10]"),
    "bias_found_error": ("Standard error of it", PURE, None),
}


def labelled_levels(asked: Asked, rows: list[list[dict[str, float]]]) -> xr.Dataset:
    """The numbers of `level_errors` for all features (first) and levels, with their labels."""
    dims = ("features", "sigma")
    variables = {
        name: variable(dims, [[cell[name] for cell in row] for row in rows], *label)
        for name, label in LABELS.items()
    }
    specs = [one.spec for one in asked.chosen]
    return xr.Dataset(variables, {"features": specs, **sigma_coordinate(np.array(asked.sigmas))})
