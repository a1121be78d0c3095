"""Kernel score estimators."""

from __future__ import annotations

from scorelens.analysis import spec as written
from scorelens.analysis.named_estimators.row import About, NamedEstimator, Values, grammar
from scorelens.estimators import Estimator, KernelLevels
from scorelens.estimators.kernel import (
    KERNELS,
    KernelScoreEstimator,
    LandweberScore,
    NuMethodScore,
    NystromScore,
    SpectralCutoffScore,
    SteinScore,
    TikhonovScore,
)
from scorelens.estimators.kernel.estimator import check_order
from scorelens.estimators.kernel.kernels import kernel

_SCORES: dict[str, tuple[type[KernelScoreEstimator], dict[str, str]]] = {
    "tikhonov": (TikhonovScore, {"ridge": "ridge"}),
    "stein": (SteinScore, {"ridge": "ridge"}),
    "spectral-cutoff": (SpectralCutoffScore, {"kept": "kept"}),
    "landweber": (LandweberScore, {"steps": "n_steps"}),
    "nu-method": (NuMethodScore, {"steps": "n_steps"}),
    "nystrom": (NystromScore, {"landmarks": "n_landmarks"}),
}
"""Method -> its class, and its own options with the names that the class gives them."""

_METHOD_OPTIONS = {
    "ridge": written.positive(None),
    "kept": written.share(None),
    "steps": written.whole(None, 1),
    "landmarks": written.whole(None, 1),
}
_DECOMPOSED = ("stein", "spectral-cutoff")


def _kernel(values: Values, about: About) -> Estimator:
    cls, names = _SCORES[values["method"]]
    given = {option for option in _METHOD_OPTIONS if values[option] is not None}
    if given - set(names):
        raise ValueError(
            f"the method {values['method']} has no {', '.join(sorted(given - set(names)))}; "
            f"its own option is {', '.join(names)}"
        )
    own = {names[option]: values[option] for option in given}
    score = cls(kernel=values["kernel"], bandwidth=values["bandwidth"], **own)
    return KernelLevels(
        score=score, sigmas=about.levels(values["levels"]), repeats=values["repeats"], seed=about.seed
    )


def _check_kernel(values: Values, about: About) -> None:
    n_points, gamma = about.n_samples * values["repeats"], kernel(values["kernel"])
    landmarks = values["landmarks"] or NystromScore().n_landmarks
    if values["method"] == "nystrom":
        if landmarks > n_points:
            raise ValueError(f"landmarks must be at most the number of samples, {n_points}, got {landmarks}")
        check_order(gamma.order(landmarks, about.dim))
    if values["method"] in _DECOMPOSED:
        check_order(gamma.order(n_points, about.dim))


ROWS: tuple[NamedEstimator, ...] = (
    NamedEstimator(
        grammar(
            "kernel",
            "kernel:tikhonov or kernel:stein,ridge=0.01 or kernel:nystrom,landmarks=50",
            {
                "method": written.one_of("tikhonov", _SCORES),
                "kernel": written.one_of("gaussian", KERNELS),
                "bandwidth": written.positive(None),
                **_METHOD_OPTIONS,
                "levels": written.whole(8, 1),
                "repeats": written.whole(1, 1),
            },
            "method",
        ),
        "kernel score estimate of the noised data, fitted at so many noise levels",
        _kernel,
        check=_check_kernel,
    ),
)
