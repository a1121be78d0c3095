"""Where distances between samples and data are measured: pixels, principal components, features of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from scorelens import data as sources
from scorelens.core.spectrum import Spectrum
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.results.config import RunConfig
from scorelens.studies.preparation import split

_REMEDY = "choose pixel, pca:50 for 50 principal components, or FILE_OF_SAMPLES.npy,FILE_OF_DATA.npy"


@final
@dataclass(frozen=True)
class Space:
    """What ``--features`` asks for: ``n_components`` of the data, or ``files`` of samples and of data.

    Neither: the values themselves.
    """

    n_components: int | None = None
    files: tuple[str, str] | None = None

    @classmethod
    def parse(cls, features: str) -> Space:
        """From "pixel", "pca:50" or "samples.npy,data.npy"; else ``ValueError``.

        >>> Space.parse("pca:50").n_components, Space.parse("a.npy,b.npy").files
        (50, ('a.npy', 'b.npy'))
        """
        if features == "pixel":
            return cls()
        first, comma, second = features.partition(",")
        if comma and first and second and "," not in second:
            return cls(files=(first.strip(), second.strip()))
        name, _, number = features.partition(":")
        if name != "pca" or not number.isdecimal() or int(number) < 1:
            raise ValueError(f"features: got {features!r}; {_REMEDY}")
        return cls(n_components=int(number))

    def spectrum(self, train: Data) -> Spectrum | None:
        """The modes along which distances are measured; ``ValueError`` for more than there are dimensions."""
        return None if self.n_components is None else leading(train, self.n_components)


def leading(train: Data, n_modes: int) -> Spectrum:
    """The leading modes of training data; ``ValueError`` for more than it has dimensions."""
    if n_modes > train.dim:
        raise ValueError(f"features: got pca:{n_modes}, but the data have only {train.dim} dimensions")
    return fit_spectrum(train.blocks, train.event_shape, n_modes=n_modes)


def features_of_files(files: tuple[str, str], n_samples: int, config: RunConfig) -> tuple[Any, Any, Any]:
    """Features of the samples, of the training data and of the held-out data: arrays or data ``(n, m)``.

    Row ``i`` of a file belongs to sample ``i``, or to event ``i`` of the data, before any are drawn or held
    out. Raises ``ValueError`` for files of another number of rows, and of features of different sizes.
    """
    of_samples, of_data = (sources.load(file, seed=config.seed) for file in files)
    total = len(sources.load(config.data.spec, seed=config.seed))
    for file, held, needed, what in (
        (files[0], len(of_samples), n_samples, "samples"),
        (files[1], len(of_data), total, f"events in {Path(config.data.spec).name}"),
    ):
        if held != needed:
            raise ValueError(
                f"features: {file} holds {held} rows, but there are {needed} {what}; give one row of "
                "features for each, in the same order"
            )
    if of_samples.event_shape != of_data.event_shape:
        raise ValueError(
            f"features: {files[0]} has rows of shape {of_samples.event_shape}, {files[1]} of "
            f"{of_data.event_shape}; compute both by the same network"
        )
    train, held_out = split(config.data.model_copy(update={"spec": files[1]}), config.seed)
    return np.asarray(of_samples[:]), train, held_out[:]
