"""The folder of a look at a denoiser's local geometry: what was asked, and its Datasets."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

from scorelens.results.result_folder import ResultFolder

#: Unless told otherwise: events looked at closely, eigenpairs of each (all of fewer), events of the risk.
POINTS, MODES, EVENTS = 4, 12, 256


@final
class LocalGeometry(ResultFolder):
    """The local geometry of a model at held-out events.

    ``given`` and ``data`` are the model and the data as named on the command line, ``options`` what else was
    asked. ``sigma`` are noise levels (``sigma_given``: named by the user), ``points`` the events looked at
    closely, ``modes`` the eigenpairs of each; ``events`` those that the risk was averaged over,
    ``likelihood`` those whose likelihood was computed. ``dim`` numbers each has; ``scale`` is the root mean
    variance of one. The Datasets are ``geometry``, ``posterior`` (unless there are no eigenpairs),
    ``dimension``, ``risk``, ``examples`` and, if asked, ``likelihood``.
    """

    file: ClassVar[str] = "geometry.json"
    noun: ClassVar[str] = "look at local geometry"
    made_by: ClassVar[str] = "scorelens geometry MODEL DATA"

    format: Literal[1] = 1
    given: str
    data: str
    options: dict[str, Any]
    sigma: tuple[float, ...]
    sigma_given: bool
    points: int
    modes: int
    events: int
    likelihood: int
    seed: int
    dim: int
    scale: float
    remarks: tuple[str, ...]
