"""The exponent of the emergence law, by learning law, initial gain, criterion and regression direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from scorelens.analysis.power_laws import BRANCHES, fit_branches, labelled_fits
from scorelens.analysis.theory_laws import theory_law
from scorelens.core import checks
from scorelens.dynamics import emergence_time, gain_emergence_time, gray_zone
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, sigma_coordinate, variable

CRITERIA = ("harmonic", "geometric", "arithmetic")
INITIAL_GAINS = (0.0, 0.1, 0.5, 1.0)
VARIANCES = np.logspace(2, -3, 20)
#: Laws whose generated variance, and whose gain at one noise level, has an exponent in the default tables.
OF_VARIANCE = ("one layer", "two tied layers", "flow matching", "flow matching, two tied layers")
OF_GAIN = ("one layer", "two tied layers")
WHERE = "learning dynamics, section 12.2"
WHERE_GAIN = "learning dynamics, section 12.1"


def exponent_table(
    laws: Sequence[str] = OF_VARIANCE,
    initial_gains: Sequence[float] = INITIAL_GAINS,
    criteria: Sequence[str] = CRITERIA,
    variances: np.ndarray = VARIANCES,
) -> xr.Dataset:
    """Power laws of the emergence of generated variance, and the emergence times they are fitted to.

    ``laws`` are names of `scorelens.analysis.theory_laws.LAWS`; diffusion is sampled by the exact ODE between
    the noise levels 80 and 0.002, flow matching between times 0 and 1; the target is the data variance.
    ``variances (mode,)`` are the modes, descending. Over ``(law, initial_gain, criterion, branch)``:

    - ``exponent``: least squares of log emergence on log variance, -1 for an inverse law;
    - ``reverse_exponent``: of log variance on log emergence, as the published figures regress: the
      reciprocal, up to scatter;
    - their intervals over resampled modes, ``prefactor``, ``r_squared``, ``n_fitted``.

    Modes that start within a factor 2 of their target are left out; rising and falling modes are fitted
    apart, and a branch with fewer than three modes has none (``n_fitted`` 0, NaN). The times are
    ``emergence_time`` and ``emergence_status`` over ``(law, initial_gain, criterion, mode)``, with ``rising``
    and ``gray`` over ``(law, initial_gain, mode)``. Learning dynamics, section 12.2.

    Raises ``ValueError`` for unknown names, and variances that are not positive, finite and descending.

    >>> table = exponent_table(["one layer"], [0.0, 1.0], ["geometric"])
    >>> table["exponent"].sel(initial_gain=0.0, branch="rising").values.round(3).ravel()
    array([-0.985])
    >>> table["reverse_exponent"].sel(initial_gain=1.0, branch="falling").values.round(3).ravel()
    array([-2.016])
    """
    modes = _descending(variances)
    found = [_one_law(name, initial_gains, criteria, modes) for name in laws]
    table = xr.concat(found, dim="law", combine_attrs="override", coords="minimal", compat="override")
    coordinates = {"law": list(laws), "initial_gain": list(initial_gains)}
    return table.assign_coords(coordinates | mode_coordinates(modes))


def gain_exponent_table(
    laws: Sequence[str] = OF_GAIN,
    initial_gains: Sequence[float] = (0.01, 0.1, 0.5, 1.0),
    criteria: Sequence[str] = CRITERIA,
    sigmas: Sequence[float] = (0.002, 0.1, 1.0, 10.0),
    variances: np.ndarray = VARIANCES,
) -> xr.Dataset:
    """Power laws of the emergence of the gain at one noise level, from its closed-form emergence times.

    ``exponent`` and ``reverse_exponent`` over ``(law, initial_gain, criterion, sigma)``, of all modes that do
    not start at their optimum, rising and falling together; NaN where the time does not vary.
    ``emergence_time`` over those and ``mode``.
    Only two tied layers with the harmonic mean have the published ``log(2) / (4 variance)`` of flow time, at
    every initial gain and noise level (learning dynamics, section 12.1).

    >>> table = gain_exponent_table(["two tied layers"], [0.1], ["harmonic"], [10.0])
    >>> table["exponent"].values.round(9).ravel()
    array([-1.])
    """
    modes, gains = _descending(variances), np.asarray(initial_gains, dtype=float)
    noise = np.asarray(sigmas, dtype=float)[:, None] ** 2
    times = np.array(
        [
            [
                [
                    gain_emergence_time(theory_law(name).make(gain), modes, noise, criterion=c).flow_time
                    for c in criteria
                ]
                for gain in gains
            ]
            for name in laws
        ]
    )
    forward, reverse = _regressions(modes, times)
    dims = ("law", "initial_gain", "criterion", "sigma")
    of = "of the emergence of the gain against variance"
    variables = {
        "exponent": variable(dims, forward, f"Exponent {of}", PURE, WHERE_GAIN),
        "reverse_exponent": variable(
            dims, reverse, "Exponent of variance against emergence", PURE, WHERE_GAIN
        ),
        "emergence_time": variable(
            (*dims, "mode"), times, "Flow time of emergence", "1 / " + VARIANCE, WHERE_GAIN
        ),
    }
    coordinates = {"law": list(laws), "initial_gain": gains, "criterion": list(criteria)}
    return xr.Dataset(variables, coordinates | sigma_coordinate(np.asarray(sigmas)) | mode_coordinates(modes))


def _one_law(
    name: str, initial_gains: Sequence[float], criteria: Sequence[str], modes: np.ndarray
) -> xr.Dataset:
    family = theory_law(name)
    law = family.make(np.asarray(initial_gains, dtype=float)[:, None])
    start = np.broadcast_to(np.exp(family.sampler.log_start(law, modes)), (len(initial_gains), len(modes)))
    rising, gray = modes > start, gray_zone(start, modes)
    found = [emergence_time(law, modes, criterion=c, sampler=family.sampler) for c in criteria]
    times, status = (
        np.stack(part, axis=1) for part in zip(*((f.flow_time, f.status) for f in found), strict=True)
    )
    by_mode, dims = ("initial_gain", "mode"), ("initial_gain", "criterion", "mode")
    curves = {
        "emergence_time": variable(dims, times, "Flow time of emergence", "1 / " + VARIANCE, WHERE),
        "emergence_status": variable(dims, status, "What became of the mode", PURE),
        "rising": variable(by_mode, rising, "Whether the generated variance has to grow", PURE),
        "gray": variable(by_mode, gray, "Whether the mode starts within a factor 2 of its target", PURE),
    }
    usable = (status == "emerged") & ~gray[:, None]
    fits = [_fits(modes, times[i], usable[i], rising[i], tuple(criteria)) for i in range(len(initial_gains))]
    table = xr.concat(fits, dim="initial_gain", combine_attrs="override", coords="minimal", compat="override")
    return table.assign(curves)


def _fits(
    modes: np.ndarray, times: np.ndarray, usable: np.ndarray, rising: np.ndarray, criteria: tuple[str, ...]
) -> xr.Dataset:
    fits = {}
    for i, criterion in enumerate(criteria):
        branches = fit_branches(modes, times[i], usable[i], rising)
        fits |= {(criterion, "law", branch): branches[branch] for branch in BRANCHES}
    return labelled_fits(fits, criteria, ("law",)).isel(source=0, drop=True)


def _regressions(modes: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of log time on log variance and the reverse along the last axis, over the modes that have to
    move; NaN for a time that does not vary."""
    moves = np.isfinite(times) & (times > 0.0)
    n_modes = moves.sum(axis=-1, keepdims=True)
    x = np.broadcast_to(np.log(modes), times.shape)
    y = np.log(np.where(moves, times, 1.0))
    dx, dy = (np.where(moves, z - (z * moves).sum(axis=-1, keepdims=True) / n_modes, 0.0) for z in (x, y))
    xx, yy, xy = (dx**2).sum(axis=-1), (dy**2).sum(axis=-1), (dx * dy).sum(axis=-1)
    varies = yy > 1e-18
    return xy / xx, np.where(varies, xy / np.where(varies, yy, 1.0), np.nan)


def _descending(variances: np.ndarray) -> np.ndarray:
    checks.positive("variances", variances)
    modes = np.asarray(variances, dtype=float)
    if modes.ndim != 1 or not np.all(np.diff(modes) < 0.0):
        raise ValueError(f"variances must be a descending row of numbers, got shape {modes.shape}; sort them")
    return modes
