"""The score of fitted estimators over the plane of two-dimensional data, with the density behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.estimators import Empirical, FittedDenoiser, WithLogProb
from scorelens.estimators.base import WithEnergy
from scorelens.instruments.labels import LENGTH, PURE, sigma_coordinate, variable

#: Noise levels relative to the standard deviation of a coordinate, if none are given.
RELATIVE_SIGMAS = (1.0, 0.5, 0.25, 0.1)
N_CELLS = 49
#: The plane reaches this far beyond the data, relative to their half-width.
MARGIN = 1.2
N_EVENTS = 300
OWN, UP_TO_A_FACTOR, OF_THE_DATA = "its own", "its own up to a factor", "of the noised data"
AREA = f"nats per {LENGTH} squared"
WHERE = "s = (D - x) / sigma^2 = grad log p"


def score_field(
    denoisers: Mapping[str, FittedDenoiser],
    data: ArrayLike,
    sigmas: Sequence[float] | None = None,
    n_cells: int = N_CELLS,
) -> xr.Dataset:
    """``score_x``, ``score_y`` and ``log_density (estimator, sigma, y, x)`` on a square around ``data``.

    ``data`` has shape ``(n, 2)`` (events of two values in all), ``sigmas`` are noise levels in data units,
    shown from the largest to the smallest; if not given, 1, 1/2, 1/4 and 1/10 of the data's standard
    deviation. ``log_density``, in nats per unit of area, is that of the estimator where it has one (known up
    to a factor: with the one for which the noised data have the same mean of it as of their own), else that
    of the noised data, exact: ``density`` says which. ``log_peak`` is the largest at an event. ``event_x``
    and ``event_y`` are some events.

    Raises ``ValueError`` for data that are not two-dimensional, no estimator, and a level <= 0.

    >>> from scorelens.estimators import Gaussian
    >>> draws = np.random.default_rng(0).standard_normal((500, 2))
    >>> found = score_field({"gaussian": Gaussian().fit(draws)}, draws, [1.0], n_cells=3)
    >>> found["score_x"].squeeze().values.round(1)[1], str(found["density"].values[0])
    (array([ 1.7,  0.1, -1.4]), 'its own')
    """
    events = _plane(data)
    checks.at_least("the number of estimators", len(denoisers), 1)
    checks.at_least("n_cells", n_cells, 2)
    levels = _levels(events, sigmas)
    x, y = _axes(events, n_cells)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    data_law = Empirical().fit(events)
    found = [[_at(one, data_law, points, float(sigma)) for sigma in levels] for one in denoisers.values()]
    fields = np.array(found).reshape(len(denoisers), len(levels), 3, n_cells, n_cells)
    dims = ("estimator", "sigma", "y", "x")
    shown = events[np.random.default_rng(0).permutation(len(events))[:N_EVENTS]]
    variables = {
        "score_x": variable(dims, fields[:, :, 0], "Score, first coordinate", f"1 / {LENGTH}", WHERE),
        "score_y": variable(dims, fields[:, :, 1], "Score, second coordinate", f"1 / {LENGTH}", WHERE),
        "log_density": variable(dims, fields[:, :, 2], "Log density of the noised law", AREA),
        "log_peak": variable(
            dims[:2], _peaks(fields[:, :, 2], x, y, events), "Largest log density at an event", AREA
        ),
        "density": variable(
            ("estimator",),
            [_whose(one) for one in denoisers.values()],
            "Whose density it is",
            PURE,
        ),
        "event_x": variable(("sample",), shown[:, 0], "Events, first coordinate", LENGTH),
        "event_y": variable(("sample",), shown[:, 1], "Events, second coordinate", LENGTH),
    }
    axes = {
        "x": variable(("x",), x, "First coordinate", LENGTH),
        "y": variable(("y",), y, "Second coordinate", LENGTH),
    }
    return xr.Dataset(variables, {"estimator": list(denoisers)} | sigma_coordinate(levels) | axes)


def is_planar(shape: Sequence[int]) -> bool:
    """Whether events of ``shape`` lie in a plane, so that `score_field` can show them.

    >>> is_planar((2,)), is_planar((1, 8, 8))
    (True, False)
    """
    return int(np.prod(shape)) == 2


def _plane(data: ArrayLike) -> np.ndarray:
    events = np.asarray(data, dtype=float)
    if events.ndim < 2 or len(events) == 0 or not is_planar(events.shape[1:]):
        raise ValueError(f"a score field needs data of shape (n, 2) with n >= 1, got {events.shape}")
    checks.finite("data", events)
    return events.reshape(-1, 2)


def _levels(events: np.ndarray, sigmas: Sequence[float] | None) -> np.ndarray:
    if sigmas is None:
        spread = float(np.sqrt(events.var(axis=0).mean()))
        checks.positive("the data's standard deviation", spread, "give sigmas")
        return spread * np.array(RELATIVE_SIGMAS)
    checks.at_least("the number of sigmas", len(sigmas), 1)
    checks.positive("sigmas", sigmas)
    return np.sort(np.asarray(sigmas, dtype=float))[::-1]


def _axes(events: np.ndarray, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """A square, so that directions are shown as they are; it holds all but the farthest events."""
    low, high = np.quantile(events, [0.005, 0.995], axis=0)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-12)
    steps = MARGIN * half * np.linspace(-1, 1, n_cells)
    return centre[0] + steps, centre[1] + steps


def _whose(denoiser: FittedDenoiser) -> str:
    if isinstance(denoiser, WithLogProb):
        return OWN
    return UP_TO_A_FACTOR if isinstance(denoiser, WithEnergy) else OF_THE_DATA


def _at(denoiser: FittedDenoiser, data_law: WithLogProb, points: np.ndarray, sigma: float) -> np.ndarray:
    """Score and log density at ``points (n, 2)``, shape ``(3, n)``."""
    place = torch.from_numpy(points)
    events = place.reshape(-1, *denoiser.event_shape)
    with torch.no_grad():
        score = denoiser.score(events, sigma).reshape(-1, 2)
        if isinstance(denoiser, WithLogProb):
            density = denoiser.log_prob(events, sigma)
        else:
            density = data_law.log_prob(place, sigma)
            if isinstance(denoiser, WithEnergy):
                own = denoiser.log_density_up_to_constant(events, sigma)
                density = own + density.softmax(0) @ (density - own)
    return np.vstack([score.numpy().T, density.numpy()])


def _peaks(fields: np.ndarray, x: np.ndarray, y: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Largest of ``fields (.., y, x)`` in the cells of ``events (n, 2)``."""
    columns, rows = (np.abs(events[:, i, None] - axis).argmin(axis=1) for i, axis in enumerate((x, y)))
    return fields[..., rows, columns].max(axis=-1)
