"""Estimators that see a patch around each pixel."""

from __future__ import annotations

from scorelens.analysis import spec as written
from scorelens.analysis.named_estimators.row import About, NamedEstimator, Values, grammar
from scorelens.core.filters import Ridge
from scorelens.estimators import Estimator, FieldScore, LocalPatch, PatchLinear
from scorelens.estimators.fields import PatchRule
from scorelens.estimators.spectral import Filtered, HermiteRule

_PATCH = {"size": written.odd(written.REQUIRED)}


def _rule(values: Values) -> PatchRule:
    return PatchRule(HermiteRule(values["degree"], constant=True), values["size"])


def _patch_fields(values: Values, about: About) -> Estimator:
    return FieldScore(
        features=_rule(values),
        solver=Filtered(Ridge(values["strength"])),
        matching=values["matching"],
        seed=about.seed,
    )


def _check_patch_fields(values: Values, about: About) -> None:
    _rule(values)(about.event_shape)


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
    NamedEstimator(
        grammar(
            "patch-fields",
            "patch-fields:3 or patch-fields:3,degree=1",
            {
                **_PATCH,
                "degree": written.whole(2, 1),
                "strength": written.positive(1e-6),
                "matching": written.one_of("denoising", ("denoising", "implicit")),
            },
            "size",
        ),
        "a score that is the same polynomial of the patch around every pixel",
        _patch_fields,
        check=_check_patch_fields,
    ),
)
