"""The schema of labelled results: which dimensions exist and what every variable must say about itself."""

from __future__ import annotations

from collections.abc import Iterable

import xarray as xr

DIMENSIONS: dict[str, tuple[str, str]] = {
    "mode": ("eigenmode of the data, 0 has the largest variance", "1"),
    "step": ("optimizer step", "1"),
    "flow_time": ("learning rate x training time", "1"),
    "sigma": ("noise standard deviation", "data units"),
    "sample": ("sample", "1"),
    "frequency": ("spatial frequency", "cycles per pixel"),
    "patch_mode": ("eigenmode of the patches, 0 has the largest variance", "1"),
    "seed": ("random seed", "1"),
    "channel": ("channel", "1"),
    "height": ("row", "pixel"),
    "width": ("column", "pixel"),
    "feature": ("coordinate of a sample", "1"),
    "criterion": ("threshold that counts as emerged", "1"),
    "source": ("where it comes from: a measurement or the law", "1"),
    "branch": ("which modes: rising or falling to their target", "1"),
    "law": ("learning law", "1"),
    "depth": ("number of linear layers", "1"),
    "initial_gain": ("gain of every mode before training", "1"),
    "sigma_min": ("noise level at which the sampler ends", "data units"),
    "path_time": ("time of the flow, 0 at the noise and 1 at the data", "1"),
    "overlap": ("mean of the data along the mode", "data units"),
    "start": ("where a path of training begins", "1"),
    "weight": ("weight of the mode", "1"),
    "cosine": ("cosine between two modes of the weights before training", "1"),
    "phase": ("phase of training", "1"),
    "bias": ("bias of the mode", "data units"),
    "objective": ("what was minimised in training", "1"),
    "estimator": ("score estimator", "1"),
    "part": ("which data: held-out or training", "1"),
    "x": ("first coordinate of the plane", "data units"),
    "y": ("second coordinate of the plane", "data units"),
    "index": ("eigenvalue of a matrix, 0 is the largest", "1"),
    "solver": ("way to solve for a score", "1"),
    "n_features": ("number of features", "1"),
    "case": ("case that was checked", "1"),
    "prediction": ("formula that predicts it", "1"),
    "cutoff": ("first time of training or sampling", "units of time"),
    "n_samples": ("draws of a training set", "1"),
    "samples_per_dimension": ("samples on a subspace over its dimension", "1"),
    "rank": ("kind of effective rank", "1"),
    "time": ("time of the noise process, 0 at the data", "units of time"),
    "shown": ("sample that is shown, the one nearest to a training point first", "1"),
    "features": ("features of which a score is a combination", "1"),
    "place": ("point at which a score is looked at", "1"),
    "entry": ("what a moment is of", "1"),
    "axis": ("axis along which points are drawn", "1"),
    "event": ("data point that is drawn", "1"),
    "example": ("example of the data", "1"),
    "point": ("data point that is looked at", "1"),
    "eigen": ("eigenpair of the Jacobian, 0 has the largest eigenvalue", "1"),
    "component": ("principal component of the posterior, 0 has the largest variance", "1"),
    "deviation": ("how far along a component", "standard deviations"),
}
"""Allowed dimensions: name -> (long_name, units) of its coordinate."""


def check(dataset: xr.Dataset, *, theory: Iterable[str] = ()) -> None:
    """Raise ``ValueError`` unless ``dataset`` follows the schema.

    Dimensions are among `DIMENSIONS`; every variable has the attributes ``long_name`` and ``units``
    (coordinates of a dimension get them from `labelled`); variables named in ``theory``, and all that depend
    on ``flow_time``, also name their ``equation``.

    >>> check(xr.Dataset({"gain": ("mode", [1.0], {"long_name": "gain"})}))
    Traceback (most recent call last):
    ValueError: variable 'gain' lacks the attribute 'units'; set dataset['gain'].attrs['units']
    """
    theory = set(theory)
    for name, variable in dataset.variables.items():
        _check_dimensions(str(name), variable)
        if name in DIMENSIONS:
            continue
        is_theory = name in theory or "flow_time" in variable.dims
        for attribute in ("long_name", "units", *(("equation",) if is_theory else ())):
            if not variable.attrs.get(attribute):
                raise ValueError(
                    f"variable {str(name)!r} lacks the attribute {attribute!r}; "
                    f"set dataset[{str(name)!r}].attrs[{attribute!r}]"
                )


def labelled(dataset: xr.Dataset) -> xr.Dataset:
    """``dataset`` with ``long_name`` and ``units`` on every coordinate of a dimension that lacks them.

    >>> labelled(xr.Dataset(coords={"sigma": [0.1, 1.0]})).sigma.attrs["units"]
    'data units'
    """
    result = dataset.copy()
    for name in dataset.coords:
        if name in DIMENSIONS:
            long_name, units = DIMENSIONS[str(name)]
            result[name].attrs = {"long_name": long_name, "units": units} | dataset[name].attrs
    return result


def _check_dimensions(name: str, variable: xr.Variable) -> None:
    for dimension in variable.dims:
        if dimension not in DIMENSIONS:
            raise ValueError(
                f"variable {name!r} has the unknown dimension {str(dimension)!r}; "
                f"choose from {', '.join(DIMENSIONS)}"
            )
