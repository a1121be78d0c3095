"""Does a covariance map each eigenvector of the data to a multiple of itself?

The alignment of mode ``k`` is ``|u_k^T S u_k| / ||S u_k||`` for a sample covariance ``S``: 1 if ``u_k`` is an
eigenvector of ``S``. It compares directions, not an ordered list of eigenvectors, so that equal eigenvalues
(any basis of whose space is a frame) and crossings do not disturb it.
"""

from __future__ import annotations

import numpy as np

N_DRAWS = 512


def alignment(image: np.ndarray, eigenvectors: np.ndarray) -> np.ndarray:
    """Alignment of each mode ``(k,)`` from ``image = S @ eigenvectors`` (``(d, k)``); 1 where that is 0.

    >>> alignment(np.array([[3.0, 1.0], [4.0, 0.0]]), np.eye(2))
    array([0.6, 0. ])
    """
    along = np.abs(np.einsum("dk,dk->k", image, eigenvectors))
    length = np.linalg.norm(image, axis=0)
    return np.divide(along, length, out=np.ones_like(along), where=length > 0)


def alignment_ceiling(
    variance: np.ndarray, rest_variance: float, n_rest: int, n_samples: int, seed: int
) -> np.ndarray:
    """Mean alignment ``(k,)`` of the covariance of ``n_samples`` Gaussian samples that truly have this frame.

    ``variance`` (``(k,)``, > 0) is that along the modes, ``rest_variance`` along ``n_rest`` more directions.

    Given ``p = X u_k`` (``n`` numbers), the coordinates of ``S u_k`` along the other directions are
    independent Gaussians of variance ``|p|^2 lambda_j``, so that the alignment is distributed exactly as
    ``(1 + sum_{j != k} lambda_j z_j^2 / (lambda_k c))^(-1/2)`` with ``z_j`` normal and ``c`` chi-squared of
    ``n_samples - 1`` degrees of freedom. Its mean is taken over `N_DRAWS` draws.

    >>> float(alignment_ceiling(np.ones(2), 0.0, 0, 10**6, seed=0)[0].round(3))
    1.0
    """
    random = np.random.default_rng(seed)
    squares = random.standard_normal((N_DRAWS, len(variance))) ** 2 * variance
    rest = rest_variance * random.chisquare(n_rest, N_DRAWS) if n_rest else np.zeros(N_DRAWS)
    own = random.chisquare(n_samples - 1, (N_DRAWS, len(variance))) * variance
    others = np.maximum((squares.sum(axis=1) + rest)[:, None] - squares, 0.0)
    return ((1.0 + others / own) ** -0.5).mean(axis=0)
