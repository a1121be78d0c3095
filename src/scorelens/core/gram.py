"""Eigenpairs of a covariance from the inner products of its samples: for fewer samples than dimensions."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks
from scorelens.core.blocks import refuse_non_finite
from scorelens.core.eigen import fix_signs, leading_eigenpairs, mode_count
from scorelens.core.spectrum import Spectrum


def gram_spectrum(samples: np.ndarray, event_shape: tuple[int, ...], n_modes: int | None = None) -> Spectrum:
    """Spectrum of ``samples`` of shape ``(n, d)`` through the ``(n, n)`` matrix of inner products.

    Exact, and cheap where ``n < d``. ``n_modes`` defaults to all that ``n`` samples can span,
    ``min(n - 1, d)``; further modes have eigenvalue 0 and complete the frame.
    Raises ``ValueError`` below two samples, for a NaN or infinity, or if ``n_modes`` exceeds ``d``.

    >>> spectrum = gram_spectrum(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), (3,))
    >>> spectrum.eigenvalues, spectrum.eigenvectors.ravel()
    (array([1.]), array([1., 0., 0.]))
    """
    n, d = samples.shape
    checks.at_least("the number of samples", n, 2, "one sample has no covariance")
    k = mode_count(n_modes, d, default=min(n - 1, d))
    mean, centred = _centred(samples)
    spanned = min(n - 1, k)
    values, mixtures = leading_eigenpairs(centred @ centred.T / n, spanned)
    vectors = np.zeros((d, k))
    vectors[:, :spanned] = centred.T @ mixtures
    # Orthonormal even where an eigenvalue drowns in rounding or is zero; the order of columns is kept.
    vectors = np.linalg.qr(vectors)[0]
    values = np.concatenate([values, np.zeros(k - spanned)])
    total_variance = float(np.einsum("ij,ij->", centred, centred)) / n
    return Spectrum(mean, values, fix_signs(vectors), n, total_variance, event_shape, method="gram")


def _centred(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean in float64 and the samples without it; relative to the first, as constants then cancel exactly."""
    origin = samples[0].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        centred = samples - origin
        offset = centred.mean(axis=0)
    if not np.isfinite(offset).all():
        refuse_non_finite(samples, 0)
    centred -= offset
    return origin + offset, centred
