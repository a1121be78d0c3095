"""The default: scikit-learn's bundled 8x8 digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from scorelens.data.base import Data
from scorelens.data.source import NamedSource, Selection

BRIGHTEST = 16


@final
@dataclass(frozen=True)
class Digits(NamedSource):
    """1,797 hand-written digits, event ``(1, 8, 8)``; pixels 0..16 become [-1, 1].

    >>> data = Digits().load(Selection())
    >>> len(data), data.event_shape
    (1797, (1, 8, 8))
    """

    name: ClassVar[str] = "digits"
    usage: ClassVar[str] = "digits"
    summary: ClassVar[str] = "scikit-learn's 1,797 hand-written digits, 8x8 (bundled, the default)"

    def load(self, selection: Selection) -> Data:
        from sklearn.datasets import load_digits

        images = np.asarray(load_digits().images).astype(np.uint8)[:, None]  # pyright: ignore[reportAttributeAccessIssue]
        rows = selection.rows(len(images), self.name)
        return Data(self.spec, images, "image", scale=2 / BRIGHTEST, offset=-1.0, rows=rows)
