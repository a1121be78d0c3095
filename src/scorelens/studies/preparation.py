"""What every study does first: load the data, set some aside, and find the spectrum."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from scorelens import data as sources
from scorelens.core.spectrum import Spectrum
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.results.config import DataConfig

#: Above this dimension only the leading modes are followed unless the configuration says how many.
ALL_MODES_UP_TO = 1024
LEADING_MODES = 256


@dataclass(frozen=True)
class Prepared:
    """Training data, held-out data, and the spectrum of the training data."""

    train: Data
    held_out: Data
    spectrum: Spectrum

    def shrinkage_samples(self, shrinkage: str) -> Iterable[np.ndarray] | None:
        """Blocks of the samples that a ``shrinkage`` of the spectrum reads; ``None`` if it reads none."""
        samples = {"ledoit-wolf": self.train, "held-out": self.held_out}.get(shrinkage)
        return None if samples is None else samples.blocks()


def prepare(
    config: DataConfig, seed: int, check: Callable[[tuple[int, ...]], None] | None = None
) -> Prepared:
    """Load, split by ``seed`` and fit the spectrum; bad data is refused here, before any work.

    ``check`` is given the shape of a sample, and refuses what cannot be used, before the spectrum is fitted.
    What is odd but can be handled (constant features, say) is a ``UserWarning``.
    """
    train, held_out = split(config, seed, check)
    return Prepared(train, held_out, spectrum_of(train, config))


def split(
    config: DataConfig, seed: int, check: Callable[[tuple[int, ...]], None] | None = None
) -> tuple[Data, Data]:
    """Training and held-out data, as `prepare` says."""
    whole = sources.load(config.spec, n_samples=config.n_samples, seed=seed)
    if check is not None:
        check(whole.event_shape)
    for note in whole.warnings:
        warnings.warn(note, UserWarning, stacklevel=3)
    return whole.split(config.held_out, seed)


def spectrum_of(train: Data, config: DataConfig) -> Spectrum:
    """The spectrum of training data, with as many modes as ``config`` says."""
    return fit_spectrum(train.blocks, train.event_shape, n_modes=_n_modes(config, train))


def _n_modes(config: DataConfig, train: Data) -> int | None:
    if config.n_modes is None:
        return None if train.dim <= ALL_MODES_UP_TO else LEADING_MODES
    if config.n_modes > train.dim:
        raise ValueError(f"modes: got {config.n_modes}, but the data have only {train.dim} dimensions")
    return config.n_modes
