"""The risk of a denoiser over noise levels: with and without clean events, against what is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import denoised, undisturbed
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.geometry.risk import Mean, RiskEstimate, estimate_risk, mean
from scorelens.instruments.floors import linear_floor, memorization_floor
from scorelens.instruments.labels import PURE, VARIANCE, sigma_coordinate, variable
from scorelens.instruments.probes import HELD_OUT_PROBES, TRAINING_PROBES, Probes

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data

#: Noisy events at each noise level, products with the Jacobian for the trace at each of them, and dimensions
#: up to which there are as many products, for an exact trace.
EVENTS, TRACE_PROBES, EXACT_DIM = 256, 2, 8
#: Variables with a standard error: name -> (long_name, equation).
WITH_ERRORS = {
    "risk_sure": ("Risk without clean events (SURE)", "[P7]"),
    "risk_true": ("Mean squared error on the same held-out events", None),
    "sure_less_true": ("SURE less the true error, event by event", None),
    "mmse_trace": ("Least risk if the denoiser were ideal, from its trace", "[P8]"),
    "inconsistency": ("SURE less that", None),
    "linear_held_out": ("Error of the best linear denoiser on the same events", None),
    "memorization_floor": ("Training error of the denoiser that memorises every training point", None),
}


def risk_over_levels(
    denoiser: Denoiser,
    train: Data,
    held_out: Data,
    spectrum: Spectrum,
    sigmas: np.ndarray,
    *,
    n_events: int = EVENTS,
    seed: int = 0,
) -> xr.Dataset:
    """Risks summed over the values of an event, in squared data units, at ``sigmas`` (ascending).

    Every one of `WITH_ERRORS` has its ``*_standard_error`` over at most ``n_events`` held-out events with
    noise of their own; ``linear_floor`` is the expected error of the best linear denoiser of ``spectrum``,
    that of ``train`` (6.2). The trace at each event takes `TRACE_PROBES` random products with the
    Jacobian, or is exact, up to `EXACT_DIM` dimensions.

    >>> from scorelens.core.spectrum_fit import fit_spectrum
    >>> from scorelens.data import load
    >>> train, held_out = load("gaussian:dim=4,n=400").split(0.5, seed=0)
    >>> spectrum = fit_spectrum(train.blocks, (4,))
    >>> best = optimal_linear_denoiser(spectrum)
    >>> found = risk_over_levels(best, train, held_out, spectrum, np.array([0.5]))
    >>> bool(abs(found.sure_less_true) < 4 * found.sure_less_true_standard_error)
    True
    """
    checks.whole("events", n_events, 2, "a standard error needs two")
    unseen = Probes.choose(held_out, min(n_events, len(held_out)), seed, HELD_OUT_PROBES)
    seen = Probes.choose(train, min(n_events, len(train)), seed, TRAINING_PROBES)
    linear = optimal_linear_denoiser(spectrum)
    found: dict[str, list[Mean]] = {name: [] for name in WITH_ERRORS if name != "memorization_floor"}
    way = ""
    for level, sigma in enumerate(sigmas.tolist()):
        for name, value in _at_level(denoiser, linear, unseen, level, sigma, seed).items():
            if isinstance(value, str):
                way = value
            else:
                found[name].append(value)
    memorised = memorization_floor(seen, sigmas)
    found["memorization_floor"] = list(map(Mean, memorised.loss.tolist(), memorised.standard_error.tolist()))
    attrs = {"n_events": unseen.n_points, "n_mixture": memorised.n_points, "dim": train.dim, "way": way}
    return xr.Dataset(_variables(found, spectrum, sigmas), sigma_coordinate(sigmas), attrs)


def _at_level(
    denoiser: Denoiser, linear: Denoiser, probes: Probes, level: int, sigma: float, seed: int
) -> dict[str, Mean | str]:
    parts, errors, of_linear = [], [], []
    with undisturbed(denoiser):
        for points, noise in probes.batches(level):
            noisy = points + sigma * noise
            parts.append(_estimated(denoiser, noisy, sigma, seed + len(parts)))
            errors.append(_squared(denoised(denoiser, noisy, sigma) - points))
            of_linear.append(_squared(denoised(linear, noisy, sigma) - points))
    whole = _joined(parts)
    true = np.concatenate(errors)
    return {
        "risk_sure": whole.risk,
        "risk_true": mean(true),
        "sure_less_true": mean(whole.per_event - true),
        "mmse_trace": whole.least_if_ideal,
        "inconsistency": whole.inconsistency,
        "linear_held_out": mean(np.concatenate(of_linear)),
        "way": whole.way,
    }


def _estimated(denoiser: Denoiser, noisy: Tensor, sigma: float, seed: int) -> RiskEstimate:
    dim = noisy[0].numel()
    n, method = (dim, "exact") if dim <= EXACT_DIM else (TRACE_PROBES, "hutchinson")
    return estimate_risk(denoiser, noisy, sigma, n_probes=n, method=method, seed=seed)


def _joined(parts: list[RiskEstimate]) -> RiskEstimate:
    def every(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    first, residual, divergence = parts[0], every("residual"), every("divergence")
    return RiskEstimate(residual, divergence, every("probe_error"), first.sigma, first.dim, first.way)


def _squared(apart: Tensor) -> np.ndarray:
    return apart.flatten(1).double().square().sum(1).numpy()


def _variables(
    found: dict[str, list[Mean]], spectrum: Spectrum, sigmas: np.ndarray
) -> dict[str, xr.Variable]:
    made = {}
    for name, (long_name, equation) in WITH_ERRORS.items():
        values, errors = (np.array(each) for each in zip(*found[name], strict=True))
        made[name] = variable(("sigma",), values, long_name, VARIANCE, equation)
        made[f"{name}_standard_error"] = variable(("sigma",), errors, "Standard error of it", VARIANCE)
    floor = linear_floor(spectrum, sigmas)
    made["linear_floor"] = variable(("sigma",), floor, "Expected error of the best linear denoiser", VARIANCE)
    z = made["sure_less_true"].values / made["sure_less_true_standard_error"].values
    made["z"] = variable(("sigma",), z, "SURE less the true error, in standard errors", PURE)
    return made
