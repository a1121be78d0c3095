"""The folder of a study of fitted scores: what was asked, and its Datasets."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from scorelens.results.result_folder import ResultFolder


@final
class Generalization(ResultFolder):
    """Scores fitted to draws of a data set.

    ``data`` and ``features`` are as named on the command line; each of ``models`` was fitted to ``samples``
    draws (``resample``: fresh ones, or resamples of one training set). ``components`` are the principal
    components that were looked at (None: the data as they are), ``share`` their share of the variance;
    ``dim`` numbers each of the ``n_points`` has. ``sigma`` are noise levels, ``steps`` those of the sampler,
    ``sampler`` its first and last noise level. The Datasets are ``levels``, ``places``, ``samples`` and
    ``moments``.
    """

    file: ClassVar[str] = "generalization.json"
    noun: ClassVar[str] = "study of fitted scores"
    made_by: ClassVar[str] = "scorelens generalize DATA"

    format: Literal[1] = 1
    data: str
    features: tuple[str, ...]
    samples: int
    models: int
    resample: str
    components: int | None
    share: float
    sigma: tuple[float, ...]
    sigma_given: bool
    steps: int
    sampler: tuple[float, float]
    seed: int
    dim: int
    n_points: int
    scale: float
    remarks: tuple[str, ...]
