"""The features of a score that people can name: how each is written, and how it is placed on data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from scorelens.analysis import spec as written
from scorelens.analysis.spec import Grammar, Option
from scorelens.core import checks
from scorelens.estimators import GaussianMixture
from scorelens.estimators.features import Affine
from scorelens.estimators.spectral import BinsRule, FourierRule, MonomialRule
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.statistics import (
    MixtureFeatures,
    PlacedFeatures,
    ScoreFeatures,
    StateBumps,
    StateFeatures,
)

Values = Mapping[str, Any]
NOUN = "features"
DEFAULT = "affine"
#: Most dimensions in which averages over other than affine features are computed.
MOST_DIMENSIONS = 3


@final
@dataclass(frozen=True)
class NamedFeatures:
    """One row of the table: a ``grammar``, what the features ``mean``, and how to ``build`` them.

    ``build`` takes the values of the options, the points ``(m, d)`` of the data and a seed.
    """

    grammar: Grammar
    means: str
    build: Callable[[Values, np.ndarray, int], ScoreFeatures]


@final
@dataclass(frozen=True)
class ChosenFeatures:
    """Features with the values of their options; ``spec`` is how they were written."""

    spec: str
    named: NamedFeatures
    values: Values

    @property
    def is_affine(self) -> bool:
        """Whether every average of these is a closed form, in any dimension."""
        return self.named.grammar.name == "affine"

    @property
    def are_bins(self) -> bool:
        """Whether these are indicators."""
        return self.named.grammar.name == "bins"

    def check_dimension(self, dim: int) -> None:
        """``ValueError`` for data of more dimensions than these features take."""
        if not self.is_affine and dim > MOST_DIMENSIONS:
            raise ValueError(
                f"features {self.spec} need data of at most {MOST_DIMENSIONS} dimensions, got {dim}; look at "
                "the leading principal components (--components 2), or take affine features"
            )
        if self.are_bins and dim != 1:
            raise ValueError(
                f"features {self.spec} need data of one number, got {dim}; look at one principal component "
                "(--components 1), or take other features"
            )

    def features(self, points: np.ndarray, seed: int = 0) -> ScoreFeatures:
        """The features for data ``points (m, d)``; ``ValueError`` if they cannot be made for them."""
        self.check_dimension(points.shape[1])
        try:
            return self.named.build(self.values, points, seed)
        except ValueError as error:
            raise ValueError(f"features {self.spec}: {error}") from None


def features_named(specs: str) -> list[ChosenFeatures]:
    """The features of a list: ``affine,bins:8,gmm:3``; options as in ``fourier:random=20,length=1``.

    Raises ``ValueError`` for a name that is unknown (naming the nearest), for bad options, for none at all
    and for features that are given twice.

    >>> [one.spec for one in features_named("affine,bumps:5,extent=2,gmm:3")]
    ['affine', 'bumps:5,extent=2', 'gmm:3']
    """
    grammars = {name: row.grammar for name, row in FEATURES.items()}
    chosen = [_chosen(spec) for spec in written.split_list(specs, grammars)]
    known = [(one.named.grammar.name, tuple(one.values.items())) for one in chosen]
    for i, one in enumerate(chosen):
        if known[i] in known[:i]:
            raise ValueError(f"features {one.spec} are given twice; give them once")
    return chosen


def _chosen(spec: str) -> ChosenFeatures:
    name, items = written.split(spec)
    row = FEATURES[checks.choice(NOUN, name, FEATURES)]
    return ChosenFeatures(spec.strip(), row, row.grammar.parse(items))


def _placed(inner: ScoreFeatures, points: np.ndarray) -> ScoreFeatures:
    return PlacedFeatures(inner, points.mean(axis=0), float(np.sqrt(points.var(axis=0).mean())))


def _affine(values: Values, points: np.ndarray, seed: int) -> ScoreFeatures:
    return StateFeatures(Affine(points.shape[1]))


def _monomials(values: Values, points: np.ndarray, seed: int) -> ScoreFeatures:
    rule = MonomialRule(values["degree"], constant=True)
    return _placed(StateFeatures(rule(points.shape[1])), points)


def _bins(values: Values, points: np.ndarray, seed: int) -> ScoreFeatures:
    return _placed(StateFeatures(BinsRule(values["count"], values["extent"])(points.shape[1])), points)


def _bumps(values: Values, points: np.ndarray, seed: int) -> ScoreFeatures:
    return _placed(StateBumps.on_grid(points.shape[1], values["count"], values["extent"]), points)


def _fourier(values: Values, points: np.ndarray, seed: int) -> ScoreFeatures:
    if values["random"] is None and values["length"] is not None:
        raise ValueError("length is that of random waves; say how many, as random=20")
    rule = FourierRule(
        degree=values["degree"],
        period=values["period"],
        n_random=values["random"],
        length=values["length"] or 1.0,
        seed=seed,
        quadratic=False,
    )
    return _placed(StateFeatures(rule(points.shape[1]), intercept=True), points)


def _mixture(values: Values, points: np.ndarray, seed: int) -> ScoreFeatures:
    found = GaussianMixture(values["components"], least_variance=1e-4, seed=seed).fit(points)
    bases, spread, rest = (part.numpy() for part in (found.bases, found.variances, found.rest))
    apart = np.einsum("kir,kr,kjr->kij", bases, spread - rest[:, None], bases)
    covariances = apart + rest[:, None, None] * np.eye(points.shape[1])
    covariances = (covariances + covariances.transpose(0, 2, 1)) / 2
    return MixtureFeatures(DataLaw.mixture(found.weights.numpy(), found.means.numpy(), covariances))


def _row(
    name: str,
    usage: str,
    means: str,
    build: Callable[[Values, np.ndarray, int], ScoreFeatures],
    options: Mapping[str, Option] | None = None,
    value: str | None = None,
) -> NamedFeatures:
    return NamedFeatures(Grammar(name, usage, options or {}, value, NOUN), means, build)


ROWS: tuple[NamedFeatures, ...] = (
    _row("affine", "affine", "a constant and the coordinates", _affine),
    _row(
        "monomials",
        "monomials:3",
        "all monomials up to that degree",
        _monomials,
        {"degree": written.whole(written.REQUIRED, 1)},
        "degree",
    ),
    _row(
        "bins",
        "bins:6 or bins:6,extent=1.5",
        "indicators of so many bins, up to extent standard deviations (data of one number)",
        _bins,
        {"count": written.whole(6, 3), "extent": written.positive(1.5)},
        "count",
    ),
    _row(
        "bumps",
        "bumps:5 or bumps:5,extent=2",
        "a constant and Gaussian bumps, so many along each axis, up to extent standard deviations",
        _bumps,
        {"count": written.whole(5, 2), "extent": written.positive(2.0)},
        "count",
    ),
    _row(
        "fourier",
        "fourier:2 or fourier:random=20,length=1",
        "a constant and waves, on a lattice or random",
        _fourier,
        {
            "degree": written.whole(2, 1),
            "period": written.positive(8.0),
            "random": written.whole(None, 1),
            "length": written.positive(None),
        },
        "degree",
    ),
    _row(
        "gmm",
        "gmm:3",
        "the parts of the score of a mixture of so many Gaussians that is fitted to the data",
        _mixture,
        {"components": written.whole(written.REQUIRED, 1)},
        "components",
    ),
)

FEATURES: dict[str, NamedFeatures] = {row.grammar.name: row for row in ROWS}
"""All features that can be named: a row here is a choice of the command line and an entry of its help."""


def feature_list() -> list[str]:
    """All features that can be named, how they are written, and their options.

    >>> feature_list()[0]
    'affine       a constant and the coordinates'
    """
    lines = []
    for name, row in FEATURES.items():
        lines.append(f"{name:<13}{row.means}")
        if row.grammar.options:
            lines.append(f"{'':13}as {row.grammar.usage}")
        lines += [f"{'':13}{key}: {option.allowed}" for key, option in row.grammar.options.items()]
    return lines
