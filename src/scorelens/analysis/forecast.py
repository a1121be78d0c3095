"""What a model will learn and when: the closed forms of a run's law, before any training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from scorelens.analysis.power_laws import fit_branches, labelled_fits
from scorelens.analysis.run_law import along_modes, assumed_covariance, law_of
from scorelens.dynamics import (
    ExactSampler,
    GainLaw,
    HeunSampler,
    Sampler,
    emergence_time,
    gray_zone,
    log_variance_table,
    responsibility,
)
from scorelens.dynamics.emergence import EMERGED
from scorelens.dynamics.measured_emergence import GRAY
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, sigma_coordinate, variable
from scorelens.instruments.settings import measured_sigmas
from scorelens.results import schema

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.results.config import RunConfig

#: Criteria of emergence; the first, the published one, is meant where none is named.
CRITERIA = ("harmonic", "geometric", "arithmetic", "band")
LAW = "law"
EMERGENCE = "learning dynamics, section 12"
N_TIMES = 121
#: Transfer functions are part of a forecast if they are at most so many numbers.
MOST_TRANSFERS = 500_000
#: The table of times reaches from a fraction of the first emergence to a multiple of the last.
BEFORE_FIRST, AFTER_LAST, WIDEST = 0.02, 5.0, 1e14


def forecast(
    spectrum: Spectrum, config: RunConfig, *, samples: Iterable[np.ndarray] | None = None
) -> xr.Dataset:
    """Closed-form forecast of a run on data of this ``spectrum`` (training data), labelled.

    Times are doses ``T`` ([E2]), the dimension ``flow_time``: how many optimizer steps one dose takes is the
    one thing that only a run can tell (`compare` calibrates it). ``generated_variance`` and everything about
    emergence is on the sampler's own grid ([E11]); ``generated_variance_exact`` is that of the exact ODE.

    ``samples``: blocks ``(b, *event)`` that the configured shrinkage reads (training data for
    ``ledoit-wolf``, held-out data for ``held-out``); without them variances count unshrunk.

    >>> from scorelens.core.spectrum import Spectrum
    >>> from scorelens.results.config import RunConfig
    >>> spectrum = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 9, 5.0, (2,))
    >>> forecast(spectrum, RunConfig()).rising.values.tolist()
    [True, False]
    """
    covariance = assumed_covariance(spectrum, config, samples)
    law = law_of(spectrum, config, covariance)
    eigenvalues, sampler = spectrum.eigenvalues, HeunSampler(config.sigmas())
    start = np.exp(sampler.log_start(law, eigenvalues))
    variables = _emergence(law, eigenvalues, sampler, start)
    times = _times(variables["emergence_time_by_criterion"].values)
    variables |= _variances(law, eigenvalues, times, config)
    sigmas = measured_sigmas(config)
    if len(times) * len(sigmas) * spectrum.n_modes <= MOST_TRANSFERS:
        variables["transfer"] = _transfer(law, eigenvalues, sigmas, times)
    variables["responsibility"] = variable(
        ("sigma", "mode"),
        responsibility(law, eigenvalues, sigmas, sigma_min=sigmas[0], sigma_max=sigmas[-1]),
        "Share of what the mode has to learn, per unit of ln(sigma), before training",
        PURE,
        "[E17]",
    )
    variables["assumed_variance"] = variable(
        ("mode",),
        along_modes(covariance, spectrum.n_modes),
        "Variance that the preconditioner assumes along the mode",
        VARIANCE,
        "[E26]",
    )
    coordinates = mode_coordinates(eigenvalues) | sigma_coordinate(sigmas)
    coordinates |= {"flow_time": variable(("flow_time",), times, "Dose T = 2 x learning rate x time", PURE)}
    coordinates |= {"criterion": np.array(CRITERIA)}
    predicted = xr.Dataset(variables, coordinates, _facts(config, samples is not None))
    predicted.attrs |= {
        "assumed_rest_variance": covariance.rest,
        "total_variance": spectrum.total_variance,
    }
    return schema.labelled(predicted.merge(_power_laws(predicted)))


def _variances(
    law: GainLaw, eigenvalues: np.ndarray, times: np.ndarray, config: RunConfig
) -> dict[str, xr.Variable]:
    exact = ExactSampler(config.sampler.sigma_min, config.sampler.sigma_max)
    on_grid = log_variance_table(law, eigenvalues, times, sampler=HeunSampler(config.sigmas()))
    by_ode = log_variance_table(law, eigenvalues, times, sampler=exact)
    plane = ("flow_time", "mode")
    return {
        "generated_variance": variable(
            plane, np.exp(on_grid), "Generated variance on the sampler's grid", VARIANCE, "[E11]"
        ),
        "generated_variance_exact": variable(
            plane, np.exp(by_ode), "Generated variance of the exact ODE", VARIANCE, "[E5]"
        ),
    }


def _emergence(
    law: GainLaw, eigenvalues: np.ndarray, sampler: Sampler, start: np.ndarray
) -> dict[str, xr.Variable]:
    found = [emergence_time(law, eigenvalues, criterion=name, sampler=sampler) for name in CRITERIA]
    gray = gray_zone(start, eigenvalues)
    statuses = [np.where(gray, GRAY, one.status) for one in found]
    times = [one.flow_time for one in found]

    def labelled(values: Any, long_name: str, units: str = PURE, equation: str = EMERGENCE) -> xr.Variable:
        dims = ("criterion", "mode")[-np.ndim(values) :]
        return variable(dims, values, long_name, units, equation)

    limit = np.exp(sampler.log_limit(law, eigenvalues))
    optimal = "Generated variance of the optimal linear denoiser"
    return {
        "start_variance": labelled(start, "Generated variance before training", VARIANCE, "[E6], [E11]"),
        "limit_variance": labelled(limit, optimal, VARIANCE, "[E6], [E11]"),
        "rising": labelled(eigenvalues > start, "Whether the mode starts below its target"),
        "gray": labelled(gray, "Whether the mode starts within a factor 2 of its target", equation="[E7]"),
        "emergence_time": labelled(times[0], f"Dose at which the mode emerges ({CRITERIA[0]} mean)"),
        "emergence_status": labelled(statuses[0], "Status of the emergence time"),
        "emergence_time_by_criterion": labelled(times, "Dose at which the mode emerges"),
        "emergence_status_by_criterion": labelled(statuses, "Status of the emergence time"),
    }


def _power_laws(predicted: xr.Dataset) -> xr.Dataset:
    """Fits to all modes that emerge according to the law, gray ones left out."""
    fits = {}
    for name in CRITERIA:
        one = predicted.sel(criterion=name)
        emerging = one.emergence_status_by_criterion.values == EMERGED
        times = one.emergence_time_by_criterion.values
        branches = fit_branches(one.eigenvalue.values, times, emerging, one.rising.values)
        fits |= {(name, LAW, branch): fit for branch, fit in branches.items()}
    return labelled_fits(fits, CRITERIA, (LAW,))


def _transfer(law: GainLaw, eigenvalues: np.ndarray, sigmas: np.ndarray, times: np.ndarray) -> xr.Variable:
    gains = law.gain(eigenvalues, sigmas[:, None] ** 2, times[:, None, None])
    return variable(("flow_time", "sigma", "mode"), gains, "Transfer function along the mode", PURE, "[E3]")


def _times(emergence: np.ndarray) -> np.ndarray:
    """Doses of the table: 0, then log-spaced over all finite emergence times and somewhat beyond."""
    happening = emergence[np.isfinite(emergence) & (emergence > 0)]
    first, last = (happening.min(), happening.max()) if happening.size else (1.0, 1.0)
    last = min(last, WIDEST * first)
    return np.append(0.0, np.geomspace(BEFORE_FIRST * first, AFTER_LAST * last, N_TIMES - 1))


def _facts(config: RunConfig, shrunk: bool) -> dict[str, str | int]:
    notes = ["the law assumes centred data, one linear layer per noise level and infinite data"]
    if config.preconditioning.shrinkage != "none" and not shrunk:
        notes.append(f"the configured shrinkage {config.preconditioning.shrinkage!r} is left out")
    return {
        "law": "preconditioned one-layer",
        "preconditioning": config.preconditioning.name,
        "criterion": CRITERIA[0],
        "sampler": "heun",
        "n_sigmas": config.sampler.n_sigmas,
        "notes": "; ".join(notes),
    }
