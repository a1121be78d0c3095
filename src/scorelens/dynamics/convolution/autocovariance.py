"""What a convolution sees of the data: their covariance averaged over all cyclic shifts.

All functions work on one channel. A denoiser that convolves every channel with a filter of its own learns
every channel by itself; correlations between channels are no part of this theory.
"""

from __future__ import annotations

import numpy as np

from scorelens.core import checks

_ROUNDING = 1e-9
_EPS = np.finfo(float).eps


def autocovariance(covariance: np.ndarray, grid: tuple[int, ...] | None = None) -> np.ndarray:
    """``x[k]``, the mean over pixels ``i`` of ``covariance[i, i + k]``, indices cyclic ((10.1)).

    ``covariance`` has shape ``(N, N)``, pixels in row-major order; ``grid`` is the shape of the image,
    ``(N,)`` unless given. Returns an array of shape ``grid``, offset 0 first, with ``x[k] = x[-k]`` exactly.
    Raises ``ValueError`` for a matrix that is not square and symmetric, or a grid of another size.

    >>> autocovariance(np.array([[2.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 3.0]])).round(4)
    array([3.    , 0.6667, 0.6667])
    """
    matrix = np.asarray(covariance, dtype=float)
    checks.finite("covariance", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"covariance must have shape (N, N), got {matrix.shape}")
    if np.abs(matrix - matrix.T).max() > _ROUNDING * np.abs(matrix).max():
        raise ValueError("covariance must be symmetric; give (covariance + covariance.T) / 2")
    grid = tuple(int(n) for n in (grid or matrix.shape[:1]))
    if int(np.prod(grid)) != len(matrix):
        raise ValueError(f"grid {grid} has {np.prod(grid)} pixels, and covariance {len(matrix)}")
    total, axes = np.zeros(grid), tuple(range(len(grid)))
    for pixel, row in zip(np.ndindex(grid), matrix, strict=True):
        total += np.roll(row.reshape(grid), [-index for index in pixel], axes)
    return symmetrised(total / len(matrix))


def fourier_variance(autocovariance: np.ndarray) -> np.ndarray:
    """Variance of each coefficient of the orthonormal discrete Fourier transform: the transform of ``x``
    ((10.1)).

    Same shape as ``autocovariance``, ``(N,)`` or ``(N1, N2)``, zero frequency first; what rounding leaves of
    a variance 0 is set to 0. Raises ``ValueError`` unless ``autocovariance`` is that of some data: symmetric,
    and without a negative variance.

    >>> fourier_variance(np.array([2.0, 1.0, 0.0, 1.0]))
    array([4., 2., 0., 2.])
    """
    power = np.fft.fftn(checked_autocovariance(autocovariance)).real
    largest = np.abs(power).max()
    if power.min() < -_ROUNDING * largest:
        raise ValueError(
            f"autocovariance must have no negative power, got {power.min():g} at frequency "
            f"{tuple(int(i) for i in np.argwhere(power == power.min())[0])}; no data have it"
        )
    return np.where(power > 4.0 * _EPS * np.abs(autocovariance).sum(), power, 0.0)


def power_autocovariance(power: np.ndarray) -> np.ndarray:
    """Autocovariance of data whose Fourier coefficients have the variances ``power``: ``(N,)`` or
    ``(N1, N2)``.

    Inverse of `fourier_variance`; one channel of `scorelens.core.fourier_spectrum.FourierSpectrum.power` is
    such an array, so that images of any size give it without their covariance matrix. Raises ``ValueError``
    for negative power, or power that differs between a frequency and its negative.

    >>> power_autocovariance(np.array([4.0, 2.0, 0.0, 2.0]))
    array([2., 1., 0., 1.])
    """
    checks.non_negative("power", power)
    values = np.asarray(power, dtype=float)
    _check_axes("power", values)
    _check_symmetric("power", values)
    return symmetrised(np.fft.ifftn(values).real)


def checked_autocovariance(autocovariance: np.ndarray) -> np.ndarray:
    """``autocovariance`` in float64, exactly symmetric; ``ValueError`` unless it is so up to rounding."""
    checks.finite("autocovariance", autocovariance)
    values = np.asarray(autocovariance, dtype=float)
    _check_axes("autocovariance", values)
    _check_symmetric("autocovariance", values)
    return symmetrised(values)


def mirrored(values: np.ndarray) -> np.ndarray:
    """``values[-k]`` at ``k``, indices cyclic along every axis.

    >>> mirrored(np.arange(4))
    array([0, 3, 2, 1])
    """
    axes = tuple(range(values.ndim))
    return np.roll(np.flip(values, axes), (1,) * values.ndim, axes)


def symmetrised(values: np.ndarray) -> np.ndarray:
    """Mean of ``values`` and `mirrored` values."""
    return 0.5 * (values + mirrored(values))


def _check_axes(name: str, values: np.ndarray) -> None:
    if values.ndim not in (1, 2) or values.size == 0:
        raise ValueError(
            f"{name} must have shape (N,) or (N1, N2), one channel at a time, got {values.shape}"
        )


def _check_symmetric(name: str, values: np.ndarray) -> None:
    uneven = np.abs(values - mirrored(values))
    if uneven.max() > _ROUNDING * np.abs(values).max():
        first = tuple(int(i) for i in np.argwhere(uneven == uneven.max())[0])
        raise ValueError(f"{name} must be the same at k and -k (cyclic), and is not at {first}")
