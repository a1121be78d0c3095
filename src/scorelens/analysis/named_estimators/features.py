"""Estimators from features: score matching as one linear system per noise level."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from scorelens.analysis import spec as written
from scorelens.analysis.named_estimators.row import About, NamedEstimator, Values, grammar
from scorelens.analysis.spec import Option
from scorelens.core.filters import GradientFlow, MinimumNorm, Ridge, SpectralCutoff
from scorelens.estimators import EnergyScore, Estimator, TimeSeparableScore, WeightScore
from scorelens.estimators.spectral import (
    AffineRule,
    BinsRule,
    Exact,
    FeatureRule,
    Filtered,
    FourierRule,
    HermiteRule,
    MonomialRule,
    Penalized,
    Roughness,
    Solver,
)

_STRENGTH = 1e-3
_SOLVERS: dict[str, Callable[[float, float], Solver]] = {
    "smooth": lambda strength, order: Penalized(strength, Roughness(order)),
    "ridge": lambda strength, order: Filtered(Ridge(strength)),
    "cutoff": lambda strength, order: Filtered(SpectralCutoff(strength)),
    "gradient-flow": lambda strength, order: Filtered(GradientFlow(1 / strength)),
    "minimum-norm": lambda strength, order: Filtered(MinimumNorm()),
    "exact": lambda strength, order: Exact(),
}
"""Solver -> from the strength of its regularisation and the order of the derivative that it punishes."""

_USE_STRENGTH, _USE_ORDER = ("smooth", "ridge", "cutoff", "gradient-flow"), ("smooth",)


def _solved(solver: str) -> dict[str, Option]:
    return {
        "solver": written.one_of(solver, _SOLVERS),
        "strength": written.positive(None),
        "order": Option(None, written.non_negative(0, "").read, "a number >= 0"),
    }


def _options(solver: str, *matchings: str) -> dict[str, Option]:
    matched = {"matching": written.one_of("denoising", matchings), "repeats": written.whole(1, 1)}
    return _solved(solver) | matched


_ENERGY = _options("smooth", "denoising", "implicit", "sliced")
_WEIGHTS = _options("exact", "denoising", "implicit")


def _solver(values: Values) -> Solver:
    chosen = values["solver"]
    for option, users in (("strength", _USE_STRENGTH), ("order", _USE_ORDER)):
        if values[option] is not None and chosen not in users:
            raise ValueError(f"the solver {chosen} has no {option}; leave it out, or take {', '.join(users)}")
    strength = _STRENGTH if values["strength"] is None else values["strength"]
    return _SOLVERS[chosen](strength, 1.0 if values["order"] is None else values["order"])


def _settings(values: Values, about: About) -> dict[str, Any]:
    return {
        "solver": _solver(values),
        "matching": values["matching"],
        "repeats": values["repeats"],
        "seed": about.seed,
    }


Rule = Callable[[Values, About], FeatureRule]


def _energy(rule: Rule) -> Callable[[Values, About], Estimator]:
    return lambda values, about: EnergyScore(features=rule(values, about), **_settings(values, about))


def _weights(rule: Rule) -> Callable[[Values, About], Estimator]:
    return lambda values, about: WeightScore(features=rule(values, about), **_settings(values, about))


def _fits(rule: Rule) -> Callable[[Values, About], None]:
    """A check that the features of ``rule`` suit the dimension of the data, and memory."""
    return lambda values, about: rule(values, about)(about.dim) and None


def _fourier(values: Values, about: About) -> FeatureRule:
    given = {name for name in ("degree", "period", "random", "length") if values[name] is not None}
    random, lattice = given & {"random", "length"}, given & {"degree", "period"}
    if random and lattice:
        raise ValueError("waves are on a lattice (degree, period) or random (random, length); give one kind")
    if "length" in random and "random" not in random:
        raise ValueError("length is that of random waves; say how many, as random=200")
    phases_of_order_one = math.sqrt(about.dim) if random else 1.0
    return FourierRule(
        degree=values["degree"] or 3,
        period=values["period"] or 8.0,
        n_random=values["random"],
        length=values["length"] or phases_of_order_one,
        seed=about.seed,
        quadratic=not values["pure"],
    )


_DEGREE = {"degree": written.whole(written.REQUIRED, 1)}
_BINS = {"count": written.whole(20, 3), "extent": written.positive(3.0)}


def _bins(values: Values, about: About) -> FeatureRule:
    return BinsRule(values["count"], values["extent"])


def _hermite(values: Values, about: About) -> FeatureRule:
    return HermiteRule(values["degree"])


def _monomials(values: Values, about: About) -> FeatureRule:
    return MonomialRule(values["degree"])


def _affine(values: Values, about: About) -> FeatureRule:
    return AffineRule()


_WAVES = {
    "degree": written.whole(None, 1),
    "period": written.positive(None),
    "random": written.whole(None, 1),
    "length": written.positive(None),
    "pure": written.flag(),
}

ROWS: tuple[NamedEstimator, ...] = (
    NamedEstimator(
        grammar(
            "fourier",
            "fourier:degree=3 or fourier:random=200,length=1",
            {**_WAVES, **_ENERGY},
            "degree",
        ),
        "log density of waves (on a lattice, or random) and, unless pure, squares",
        _energy(_fourier),
        check=_fits(_fourier),
    ),
    NamedEstimator(
        grammar("hermite", "hermite:4 or hermite:4,solver=exact", {**_DEGREE, **_ENERGY}, "degree"),
        "log density of Hermite polynomials up to that degree",
        _energy(_hermite),
        check=_fits(_hermite),
    ),
    NamedEstimator(
        grammar(
            "time-separable",
            "time-separable:4 or time-separable:4,solver=smooth",
            {**_DEGREE, **_solved("exact")},
            "degree",
        ),
        "log density of Hermite polynomials times functions of the noise level, solved for all at once",
        lambda values, about: TimeSeparableScore(features=_hermite(values, about), solver=_solver(values)),
        check=_fits(_hermite),
    ),
    NamedEstimator(
        grammar("monomials", "monomials:3", {**_DEGREE, **_ENERGY}, "degree"),
        "log density of monomials up to that degree",
        _energy(_monomials),
        check=_fits(_monomials),
    ),
    NamedEstimator(
        grammar("bins", "bins:20 or bins:20,extent=4", {**_BINS, **_WEIGHTS}, "count"),
        "a score that is constant in each of so many bins (data of one number)",
        _weights(_bins),
        check=_fits(_bins),
    ),
    NamedEstimator(
        grammar("affine", "affine or affine:matching=implicit", _WEIGHTS),
        "a score that is an affine function: the Wiener filter by linear regression",
        _weights(_affine),
        check=_fits(_affine),
    ),
)
