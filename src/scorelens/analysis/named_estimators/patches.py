"""Estimators that see a patch around each pixel."""

from __future__ import annotations

from scorelens.analysis import spec as written
from scorelens.analysis.named_estimators.row import NamedEstimator, grammar
from scorelens.estimators import LocalPatch, PatchLinear

_PATCH = {"size": written.odd(written.REQUIRED)}

ROWS: tuple[NamedEstimator, ...] = (
    NamedEstimator(
        grammar("patch-linear", "patch-linear:5", _PATCH, "size"),
        "the best linear filter of a patch of that size, the same at every pixel",
        lambda values, about: PatchLinear(values["size"]),
    ),
    NamedEstimator(
        grammar(
            "local-patch",
            "local-patch:5 or local-patch:5,equivariant",
            {**_PATCH, "equivariant": written.flag()},
            "size",
        ),
        "each pixel by the training patches at its place (equivariant: at every place) that resemble its own",
        lambda values, about: LocalPatch(values["size"], values["equivariant"]),
        least=lambda values: 1,
    ),
)
