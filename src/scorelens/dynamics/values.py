"""Numbers as the theory takes them: one, or an array of any shape that broadcasts with the others."""

from __future__ import annotations

import numpy as np

Values = np.ndarray | float
