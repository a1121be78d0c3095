"""Gaussians, mixtures of them, and the data themselves."""

from __future__ import annotations

from scorelens.analysis import spec as written
from scorelens.analysis.named_estimators.row import (
    About,
    NamedEstimator,
    Values,
    at_most_the_dimension,
    grammar,
)
from scorelens.estimators import (
    DiagonalGaussian,
    Empirical,
    Estimator,
    FourierGaussian,
    Gaussian,
    GaussianMixture,
    LowRankGaussian,
    LowRankMixture,
)

#: Largest dimension in which a full covariance is decomposed; above it, so many leading modes are kept.
FULL_UP_TO, LEADING_MODES = 4096, 256
#: Numbers in the largest covariances of a mixture: 4 GB.
MOST_NUMBERS = 2**29


def _gaussian(values: Values, about: About) -> Estimator:
    kept = values["modes"] or (None if about.dim <= FULL_UP_TO else LEADING_MODES)
    return Gaussian(kept)


def _mixture(values: Values, about: About) -> Estimator:
    return GaussianMixture(values["components"], restarts=values["restarts"], seed=about.seed)


def _check_mixture(values: Values, about: About) -> None:
    numbers = values["components"] * about.dim**2
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"its {values['components']} covariances of {about.dim} x {about.dim} would take "
            f"{8e-9 * numbers:.1f} GB; give fewer components, or molrg for covariances of low rank"
        )


def _low_rank_mixture(values: Values, about: About) -> Estimator:
    ranks = (values["rank"],) * values["components"]
    return LowRankMixture(ranks, affine=not values["linear"], restarts=values["restarts"], seed=about.seed)


ROWS: tuple[NamedEstimator, ...] = (
    NamedEstimator(
        grammar("gaussian", "gaussian or gaussian:modes=50", {"modes": written.whole(None, 1)}),
        "Wiener filter of the mean and covariance of the data, or of so many leading modes only",
        _gaussian,
        check=at_most_the_dimension("modes"),
    ),
    NamedEstimator(
        grammar("diagonal", "diagonal"),
        "Wiener filter of means and variances, every coordinate on its own",
        lambda values, about: DiagonalGaussian(),
    ),
    NamedEstimator(
        grammar("low-rank", "low-rank:20", {"rank": written.whole(written.REQUIRED, 1)}, "rank"),
        "Wiener filter of a covariance of that rank plus a diagonal",
        lambda values, about: LowRankGaussian(values["rank"]),
        check=at_most_the_dimension("rank"),
    ),
    NamedEstimator(
        grammar("stationary", "stationary"),
        "Wiener filter that is a convolution: one gain per spatial frequency",
        lambda values, about: FourierGaussian(),
    ),
    NamedEstimator(
        grammar("empirical", "empirical or empirical:neighbours=100", {"neighbours": written.whole(None, 1)}),
        "the denoiser of the training set itself (or of the nearest samples), which knows it by heart",
        lambda values, about: Empirical(values["neighbours"]),
        least=lambda values: values["neighbours"] or 1,
    ),
    NamedEstimator(
        grammar(
            "gmm",
            "gmm:10 or gmm:10,restarts=3",
            {"components": written.whole(written.REQUIRED, 1), "restarts": written.whole(1, 1)},
            "components",
        ),
        "mixture of so many Gaussians with full covariances, by EM",
        _mixture,
        least=lambda values: max(2, values["components"]),
        check=_check_mixture,
    ),
    NamedEstimator(
        grammar(
            "molrg",
            "molrg:10,rank=2 or molrg:10,rank=2,linear",
            {
                "components": written.whole(written.REQUIRED, 1),
                "rank": written.whole(1, 1),
                "linear": written.flag(),
                "restarts": written.whole(4, 1),
            },
            "components",
        ),
        "mixture of so many Gaussians on subspaces of that rank (linear: all through the origin), by EM",
        _low_rank_mixture,
        least=lambda values: max(2, values["components"] * values["rank"]),
        check=at_most_the_dimension("rank"),
    ),
)
