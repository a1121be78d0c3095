"""The spectrum of data that come in blocks: which of three algorithms, and the passes each one makes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np

from scorelens.core import checks
from scorelens.core.block_krylov import Eigenpairs, block_krylov
from scorelens.core.blocks import Blocks, one_pass
from scorelens.core.eigen import mode_count
from scorelens.core.feature_moments import FeatureMoments
from scorelens.core.gram import gram_spectrum
from scorelens.core.moments import Moments
from scorelens.core.spectrum import Spectrum

METHODS = ("auto", "covariance", "gram", "krylov")

LARGEST_COVARIANCE = 4096
"""Dimension up to which the full covariance is decomposed (seconds and half a gigabyte at this size)."""

LARGEST_GRAM = 2**27
"""Most numbers (samples times dimension) that the Gram form may hold in memory: one gigabyte of float64."""


def fit_spectrum(
    blocks: Blocks,
    event_shape: tuple[int, ...],
    *,
    n_modes: int | None = None,
    method: str = "auto",
    tolerance: float = 1e-3,
    max_passes: int = 60,
    seed: int = 0,
) -> Spectrum:
    """Mean and leading eigenpairs of the covariance of the data that ``blocks()`` yields.

    ``blocks`` starts a pass over the data whenever it is called (several times for ``krylov``) and yields
    arrays ``(b, *event_shape)`` of any float or integer dtype. ``n_modes`` is the number of leading modes.
    With ``d = prod(event_shape)`` and ``n`` samples the methods are

    - ``covariance``: one pass, memory O(d^2), then an exact eigen-decomposition; ``n_modes`` defaults to d;
    - ``gram``: one pass, all samples in memory, exact; ``n_modes`` defaults to ``min(n - 1, d)``;
    - ``krylov``: one pass for the mean and then one per step of block Krylov iteration, memory
      O(d n_modes); needs ``n_modes``. Each eigenvalue carries an estimate of its error, at most
      ``tolerance`` times the eigenvalue unless ``max_passes`` ended the iteration (then a ``UserWarning``
      says so); see `scorelens.core.block_krylov`.
      ``seed`` chooses its start; nothing else is random;
    - ``auto``: ``d <= 4096``: ``gram`` if ``n < d``, else ``covariance``, in one pass. Larger d: ``gram`` if
      ``n < d``, ``n <= 4096`` and the samples fit in a gigabyte; else ``krylov`` (``n_modes`` is needed).

    Raises ``ValueError`` for fewer than two samples, a NaN or infinity (naming the first sample), blocks of
    another shape, an unknown method or an impossible ``n_modes``; ``TypeError`` if ``blocks`` is no function
    or the data are not real numbers.

    >>> x = np.random.default_rng(0).standard_normal((500, 3)) * [3.0, 2.0, 1.0]
    >>> spectrum = fit_spectrum(lambda: [x[:200], x[200:]], (3,))
    >>> bool(np.allclose(spectrum.eigenvalues, np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]))
    True
    """
    checks.choice("method", method, METHODS)
    event_shape = tuple(event_shape)
    d = math.prod(event_shape)
    mode_count(n_modes, d, default=1)
    if method == "auto" and d <= LARGEST_COVARIANCE:
        return _in_one_pass(blocks, event_shape, n_modes)
    if method == "covariance":
        return _covariance_spectrum(one_pass(blocks, event_shape), event_shape, n_modes)
    if method == "gram":
        return gram_spectrum(_stacked(list(one_pass(blocks, event_shape)), d), event_shape, n_modes)
    scan = _scanned(blocks, event_shape)
    if method == "auto" and _gram_fits(scan.n_samples, d):
        return gram_spectrum(_stacked(list(one_pass(blocks, event_shape)), d), event_shape, n_modes)
    if n_modes is None:
        raise ValueError(
            f"all {d} modes of {scan.n_samples} events of {d} numbers are too many; pass n_modes (256, say), "
            f"or method='covariance' for all (about {5 * 8 * d**2 / 2**30:.0f} GiB of memory)"
        )
    return _krylov_spectrum(blocks, event_shape, scan, n_modes, tolerance, max_passes, seed)


def _in_one_pass(blocks: Blocks, event_shape: tuple[int, ...], n_modes: int | None) -> Spectrum:
    """Gram form if the data end before their dimension is reached, the covariance otherwise."""
    d = math.prod(event_shape)
    chunks = one_pass(blocks, event_shape)
    held: list[np.ndarray] = []
    n_held = 0
    for chunk in chunks:
        held.append(chunk.copy())
        n_held += len(chunk)
        if n_held >= d:
            return _covariance_spectrum(_chained(held, chunks), event_shape, n_modes)
    return gram_spectrum(_stacked(held, d), event_shape, n_modes)


def _chained(held: list[np.ndarray], rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    while held:
        yield held.pop(0)
    yield from rest


def _covariance_spectrum(
    chunks: Iterator[np.ndarray], event_shape: tuple[int, ...], n_modes: int | None
) -> Spectrum:
    moments = Moments(math.prod(event_shape))
    for chunk in chunks:
        moments.update(chunk)
    return moments.spectrum(event_shape, n_modes)


def _stacked(chunks: list[np.ndarray], dim: int) -> np.ndarray:
    return np.concatenate(chunks) if chunks else np.zeros((0, dim))


def _scanned(blocks: Blocks, event_shape: tuple[int, ...]) -> FeatureMoments:
    """Number of samples, mean and variance per feature, in one pass."""
    scan = FeatureMoments()
    for chunk in one_pass(blocks, event_shape):
        scan.update(chunk)
    checks.at_least("the number of samples", scan.n_samples, 2, "one sample has no covariance")
    return scan


def _gram_fits(n_samples: int, dim: int) -> bool:
    return n_samples < dim and n_samples <= LARGEST_COVARIANCE and n_samples * dim <= LARGEST_GRAM


def _krylov_spectrum(
    blocks: Blocks,
    event_shape: tuple[int, ...],
    scan: FeatureMoments,
    n_modes: int,
    tolerance: float,
    max_passes: int,
    seed: int,
) -> Spectrum:
    mean, n = scan.mean, scan.n_samples

    def covariance_times(vectors: np.ndarray) -> np.ndarray:
        product, n_seen = np.zeros(vectors.shape), 0
        for chunk in one_pass(blocks, event_shape):
            centred = chunk - mean
            product += centred.T @ (centred @ vectors)
            n_seen += len(chunk)
        if n_seen != n:
            raise ValueError(
                f"blocks() gave {n} samples on its first call and {n_seen} on a later one; "
                "make it start a fresh pass over the same data each time"
            )
        return product / n

    pairs = block_krylov(
        covariance_times, len(mean), n_modes, tolerance=tolerance, max_passes=max_passes, seed=seed
    )
    _warn_if_unfinished(pairs, tolerance)
    total_variance = float(scan.variance.sum())
    return Spectrum(mean, pairs.values, pairs.vectors, n, total_variance, event_shape, "krylov", pairs.errors)


def _warn_if_unfinished(pairs: Eigenpairs, tolerance: float) -> None:
    unfinished = np.flatnonzero(~pairs.converged)
    if unfinished.size:
        warnings.warn(
            f"{unfinished.size} of {len(pairs.values)} eigenvalues (the first: mode {unfinished[0]}) did not "
            f"reach tolerance {tolerance:g} in {pairs.n_passes} passes; see eigenvalue_error; "
            "raise max_passes, or ask for fewer modes",
            stacklevel=4,
        )
