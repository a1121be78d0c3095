"""Gaussian vectors whose covariance is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.core import checks
from scorelens.data.base import Data
from scorelens.data.source import NamedSource, Selection

MOST_NUMBERS = 2**31
"""Largest array generated, in numbers (8 GiB in float32)."""


@final
@dataclass(frozen=True)
class Gaussian(NamedSource):
    """``n`` draws of ``N(0, V diag(eigenvalues) V^T)`` in ``dim`` dimensions, event ``(dim,)``.

    ``spectrum=lognormal`` has the quantiles of a log-normal law with standard deviation ``log_std`` of the
    logarithm; ``spectrum=powerlaw`` has ``eigenvalue ~ (mode + 1) ** -exponent``. Both are scaled to the mean
    ``variance``. ``rotate=random`` draws the eigenvectors V from the seed, ``rotate=none`` takes the axes.

    >>> Gaussian(dim=3, spectrum="powerlaw", exponent=1.0, variance=11 / 18).eigenvalues().round(4)
    array([1.    , 0.5   , 0.3333])
    """

    dim: int = 256
    spectrum: str = "lognormal"
    n: int = 20_000
    variance: float = 0.25
    log_std: float = 1.5
    exponent: float = 1.5
    rotate: str = "random"

    name: ClassVar[str] = "gaussian"
    usage: ClassVar[str] = "gaussian:dim=256,spectrum=lognormal"
    summary: ClassVar[str] = "Gaussian vectors with an exactly known log-normal or power-law spectrum"

    def __post_init__(self) -> None:
        checks.at_least("dim", self.dim, 1)
        checks.at_least("n", self.n, 2, "one sample has no variance")
        checks.choice("spectrum", self.spectrum, ("lognormal", "powerlaw"))
        checks.choice("rotate", self.rotate, ("random", "none"))
        checks.positive("variance", self.variance)
        checks.non_negative("log_std", self.log_std)
        checks.non_negative("exponent", self.exponent)
        require_fit("n * dim", self.n * self.dim, "ask for fewer samples or dimensions")
        if self.rotate == "random":
            require_fit("dim * dim", self.dim**2, "use rotate=none")

    def eigenvalues(self) -> np.ndarray:
        """The exact eigenvalues of the covariance, shape ``(dim,)``, float64, descending."""
        if self.spectrum == "powerlaw":
            shape = np.arange(1.0, self.dim + 1) ** -self.exponent
        else:
            from scipy.special import ndtri  # slow to import

            quantile = (np.arange(self.dim, 0, -1) - 0.5) / self.dim
            shape = np.exp(self.log_std * ndtri(quantile))
        return self.variance * shape / shape.mean()

    def eigenvectors(self, seed: int) -> np.ndarray:
        """The exact eigenvectors as columns, shape ``(dim, dim)``, float64 orthogonal."""
        if self.rotate == "none":
            return np.eye(self.dim)
        normal = np.random.default_rng([seed, 1]).standard_normal((self.dim, self.dim))
        q, r = np.linalg.qr(normal)
        return q * np.sign(np.diag(r))  # this sign makes the rotation uniform (Haar)

    def load(self, selection: Selection) -> Data:
        rows = selection.rows(self.n, self.spec, f"or set n={selection.n_samples}")
        return Data(self.spec, self._draw(selection.seed), "vector", rows=rows)

    def _draw(self, seed: int) -> np.ndarray:
        rng = np.random.default_rng([seed, 0])
        spread = np.sqrt(self.eigenvalues())
        frame = self.eigenvectors(seed).T if self.rotate == "random" else None
        values = np.empty((self.n, self.dim), dtype=np.float32)
        length = max(1, 2**22 // self.dim)
        for start in range(0, self.n, length):
            modes = rng.standard_normal((min(length, self.n - start), self.dim)) * spread
            values[start : start + length] = modes if frame is None else modes @ frame
        return values


def true_eigenvalues(spec: str) -> np.ndarray:
    """The exact eigenvalues behind ``gaussian:...``, shape ``(dim,)``, float64, descending.

    Raises ``ValueError`` if ``spec`` is not a Gaussian one or an option in it is wrong.

    >>> true_eigenvalues("gaussian:dim=2,spectrum=powerlaw,exponent=1,variance=0.75")
    array([1. , 0.5])
    """
    name, _, options = spec.partition(":")
    checks.choice("data with a known spectrum", name, (Gaussian.name,))
    return Gaussian.parse(options).eigenvalues()


def require_fit(name: str, numbers: int, remedy: str) -> None:
    """Raise ``ValueError`` if ``numbers`` values are more than are ever generated at once."""
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"{name} must be at most {MOST_NUMBERS:,} numbers (8 GiB), got {numbers:,}; {remedy}"
        )
