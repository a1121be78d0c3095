"""What pages about the variance of fitted scores say of where the claims come from."""

from __future__ import annotations

SOURCE = "001, the early, unpublished version of Vastola 2025"
CITATION = (
    "Generalisation through variance",
    "J. J. Vastola, Generalization through variance: how noise shapes inductive biases in diffusion models, "
    "ICLR 2025, arXiv:2504.12532; what is checked is an early, unpublished version of it",
)
COMPUTED = (
    "Formulas by quadrature; training sets are drawn from fixed seeds, and standard errors are those of the "
    "draws."
)
