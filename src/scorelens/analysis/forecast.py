"""What a model will learn and when: the closed forms of a run's law, before any training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from scorelens.analysis.followed_law import FollowedLaw, followed_law
from scorelens.analysis.mode_forecast import ModeForecast
from scorelens.analysis.power_laws import fit_branches, labelled_fits
from scorelens.analysis.run_law import along_modes
from scorelens.dynamics import gray_zone, responsibility
from scorelens.dynamics.emergence.measured_emergence import GRAY
from scorelens.dynamics.emergence.times import EMERGED
from scorelens.instruments.labels import PURE, VARIANCE, sigma_coordinate, variable
from scorelens.instruments.settings import measured_sigmas
from scorelens.results import schema

if TYPE_CHECKING:
    from scorelens.core.fourier_spectrum import FourierSpectrum
    from scorelens.core.spectrum import Spectrum
    from scorelens.results.config import RunConfig

#: Criteria of emergence; the first, the published one, is meant where none is named.
CRITERIA = ("harmonic", "geometric", "arithmetic", "band")
LAW = "law"
EMERGENCE = "learning dynamics, section 12"
N_TIMES = 121
#: Transfer functions are part of a forecast if they are at most so many numbers.
MOST_TRANSFERS = 500_000
#: Objectives whose whole loss is taken along a direction.
OF_ONE_DIRECTION = ("projected", "sliced", "finite-difference")
#: The table of times reaches from a fraction of the first emergence to a multiple of the last.
BEFORE_FIRST, AFTER_LAST, WIDEST = 0.02, 5.0, 1e14


def forecast(
    spectrum: Spectrum,
    config: RunConfig,
    *,
    samples: Iterable[np.ndarray] | None = None,
    fourier: FourierSpectrum | None = None,
) -> xr.Dataset:
    """Closed-form forecast of a run on data of this ``spectrum`` (training data), labelled.

    The law is that of ``config.law``. Times are flow times, the dose ``T`` of [E2]: how many optimizer steps
    one dose takes is the one thing that only a run can tell (`compare` calibrates it).
    ``generated_variance`` and everything about emergence is on the sampler's own grid ([E11]);
    ``generated_variance_exact`` is that of the exact ODE.

    ``samples``: blocks ``(b, *event)`` that the configured shrinkage reads (training data for
    ``ledoit-wolf``, held-out data for ``held-out``); without them variances count unshrunk.
    ``fourier``: the Fourier spectrum of the same data, which laws of convolutions follow; their ``mode`` is a
    spatial frequency and their ``eigenvalue`` its power.

    Raises ``ValueError`` for a law that is unknown or cannot be that of these data.

    >>> from scorelens.core.spectrum import Spectrum
    >>> from scorelens.results.config import RunConfig
    >>> spectrum = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 9, 5.0, (2,))
    >>> forecast(spectrum, RunConfig()).rising.values.tolist()
    [True, False]
    """
    followed = followed_law(spectrum, config, samples=samples, fourier=fourier)
    modes, start = followed.modes, np.exp(followed.modes.log_start())
    variables = _emergence(modes, start)
    times = _times(variables["emergence_time_by_criterion"].values)
    variables |= _variances(modes, times)
    sigmas = measured_sigmas(config)
    if len(times) * len(sigmas) * len(modes.eigenvalues) <= MOST_TRANSFERS:
        variables["transfer"] = _transfer(modes, sigmas, times)
    variables |= _of_preconditioner(followed, sigmas)
    clock = f"Dose T = {followed.chosen.named.clock}"
    coordinates = followed.coordinates | sigma_coordinate(sigmas)
    coordinates |= {"flow_time": variable(("flow_time",), times, clock, PURE)}
    coordinates |= {"criterion": np.array(CRITERIA)}
    predicted = xr.Dataset(variables, coordinates, _facts(followed, config, samples is not None))
    predicted.attrs["total_variance"] = spectrum.total_variance
    return schema.labelled(predicted.merge(_power_laws(predicted, followed.counted)))


def _variances(modes: ModeForecast, times: np.ndarray) -> dict[str, xr.Variable]:
    name, sampled = "Generated variance", _sampled(modes)
    on_grid, by_ode = modes.log_variance(times), modes.log_variance_exact(times)
    plane, equation = ("flow_time", "mode"), modes.facts.equation
    return {
        "generated_variance": variable(
            plane, np.exp(on_grid), f"{name} on the sampler's grid", VARIANCE, sampled
        ),
        "generated_variance_exact": variable(
            plane, np.exp(by_ode), f"{name} of the exact ODE", VARIANCE, equation
        ),
    }


def _sampled(modes: ModeForecast) -> str:
    """Equations of what the sampler generates by the law."""
    return f"{modes.facts.equation}; {modes.sampler.equation}"


def _emergence(modes: ModeForecast, start: np.ndarray) -> dict[str, xr.Variable]:
    found = [modes.emergence(name) for name in CRITERIA]
    gray = gray_zone(start, modes.eigenvalues)
    statuses = [np.where(gray, GRAY, one.status) for one in found]
    times = [one.flow_time for one in found]
    on_grid = _sampled(modes)

    def labelled(values: Any, long_name: str, units: str = PURE, equation: str = EMERGENCE) -> xr.Variable:
        dims = ("criterion", "mode")[-np.ndim(values) :]
        return variable(dims, values, long_name, units, equation)

    limit, best = np.exp(modes.log_limit()), np.exp(modes.log_optimum())
    return {
        "start_variance": labelled(start, "Generated variance before training", VARIANCE, on_grid),
        "limit_variance": labelled(limit, "Generated variance after infinite training", VARIANCE, on_grid),
        "optimal_variance": labelled(
            best,
            "Generated variance of the best linear denoiser",
            VARIANCE,
            f"[E6]; {modes.sampler.equation}",
        ),
        "rising": labelled(modes.eigenvalues > start, "Whether the mode starts below its target"),
        "gray": labelled(gray, "Whether the mode starts within a factor 2 of its target", equation="[E7]"),
        "stuck": labelled(
            modes.stuck(), "Whether the start never learns the mode at some noise level", equation=on_grid
        ),
        "emergence_time": labelled(times[0], f"Dose at which the mode emerges ({CRITERIA[0]} mean)"),
        "emergence_status": labelled(statuses[0], "Status of the emergence time"),
        "emergence_time_by_criterion": labelled(times, "Dose at which the mode emerges"),
        "emergence_status_by_criterion": labelled(statuses, "Status of the emergence time"),
    }


def _power_laws(predicted: xr.Dataset, counted: np.ndarray) -> xr.Dataset:
    """Fits to all ``counted`` modes that emerge according to the law, gray ones left out."""
    fits = {}
    for name in CRITERIA:
        one = predicted.sel(criterion=name)
        emerging = counted & (one.emergence_status_by_criterion.values == EMERGED)
        times = one.emergence_time_by_criterion.values
        branches = fit_branches(one.eigenvalue.values, times, emerging, one.rising.values)
        fits |= {(name, LAW, branch): fit for branch, fit in branches.items()}
    return labelled_fits(fits, CRITERIA, (LAW,))


def _transfer(modes: ModeForecast, sigmas: np.ndarray, times: np.ndarray) -> xr.Variable:
    dims, equation = ("flow_time", "sigma", "mode"), modes.facts.equation
    return variable(dims, modes.gain(sigmas, times), "Transfer function along the mode", PURE, equation)


def _of_preconditioner(followed: FollowedLaw, sigmas: np.ndarray) -> dict[str, xr.Variable]:
    """What only a preconditioned network has: noise levels drawn by a law, and a variance that it assumes."""
    if (own := followed.preconditioned) is None:
        return {}
    values = followed.modes.eigenvalues
    shares = responsibility(own.law, values, sigmas, sigma_min=sigmas[0], sigma_max=sigmas[-1])
    due = "Share of what the mode has to learn, per unit of ln(sigma), before training"
    assumed = "Variance that the preconditioner assumes along the mode"
    return {
        "responsibility": variable(("sigma", "mode"), shares, due, PURE, "[E17]"),
        "assumed_variance": variable(
            ("mode",), along_modes(own.covariance, len(values)), assumed, VARIANCE, "[E26]"
        ),
    }


def _times(emergence: np.ndarray) -> np.ndarray:
    """Doses of the table: 0, then log-spaced over all finite emergence times and somewhat beyond."""
    happening = emergence[np.isfinite(emergence) & (emergence > 0)]
    first, last = (happening.min(), happening.max()) if happening.size else (1.0, 1.0)
    last = min(last, WIDEST * first)
    return np.append(0.0, np.geomspace(BEFORE_FIRST * first, AFTER_LAST * last, N_TIMES - 1))


def _facts(followed: FollowedLaw, config: RunConfig, shrunk: bool) -> dict[str, Any]:
    chosen, notes = followed.chosen, [followed.chosen.named.assumes]
    facts: dict[str, Any] = {
        "law": chosen.spec,
        "law_means": chosen.named.means,
        "law_kind": chosen.named.kind,
        "law_clock": chosen.named.clock,
        "law_stuck": chosen.named.stuck,
        "law_equation": followed.modes.facts.equation,
        "law_reference": followed.modes.facts.reference,
        "criterion": CRITERIA[0],
        "sampler": followed.modes.sampler.name,
        "n_sigmas": config.sampler.n_sigmas,
    }
    if followed.preconditioned is not None:
        facts["preconditioning"] = config.preconditioning.name
        facts["assumed_rest_variance"] = followed.preconditioned.covariance.rest
        if config.preconditioning.shrinkage != "none" and not shrunk:
            notes.append(f"the configured shrinkage {config.preconditioning.shrinkage!r} is left out")
        notes += _of_objective(config)
    return facts | {"notes": "; ".join(notes)}


def _of_objective(config: RunConfig) -> list[str]:
    """What the law, which knows the mean gradient of the loss, does not know of the objective."""
    training, notes = config.training, []
    if training.objective not in ("denoising", "flow-matching"):
        notes.append(
            f"the mean gradient is that of denoising; how {training.objective} score matching changes its "
            "noise is left out"
        )
    if training.projections == "unit-sphere" and training.objective in OF_ONE_DIRECTION:
        notes.append("unit vectors make the gradient d times smaller, which the dose leaves out")
    return notes
