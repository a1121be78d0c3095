"""The estimators that can be named: how they are written, what is refused, and that each can be fitted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from scorelens.analysis.named_estimators import (
    DEFAULT,
    ESTIMATORS,
    About,
    estimator_named,
    estimators_named,
)
from scorelens.core.filters import GradientFlow, MinimumNorm, Ridge, SpectralCutoff
from scorelens.estimators import ALL, AROUND_NETWORKS, Estimator
from scorelens.estimators.spectral import (
    BinsRule,
    Exact,
    Filtered,
    FourierRule,
    HermiteRule,
    Penalized,
    Roughness,
)

IMAGES = About((1, 6, 6), 40)
#: Events in which an estimator can be written that images do not suit.
SHAPES: dict[str, tuple[int, ...]] = {
    "fourier": (2,),
    "hermite": (2,),
    "monomials": (2,),
    "time-separable": (2,),
    "bins": (1,),
}
#: A way to write every estimator with each of its options away from the default; a new row needs one here.
WRITTEN = {
    "gaussian": "gaussian:modes=3",
    "diagonal": "diagonal",
    "low-rank": "low-rank:2",
    "stationary": "stationary",
    "empirical": "empirical:neighbours=10",
    "gmm": "gmm:2,restarts=2",
    "molrg": "molrg:2,rank=2,linear,restarts=1",
    "fourier": "fourier:random=20,length=2,pure,solver=ridge,strength=0.1,matching=implicit,repeats=2",
    "hermite": "hermite:3,strength=0.1,order=2",
    "monomials": "monomials:2,solver=cutoff",
    "time-separable": "time-separable:3,solver=smooth,strength=0.1,order=2",
    "bins": "bins:6,extent=2,solver=minimum-norm",
    "affine": "affine:matching=implicit",
    "kernel": "kernel:stein,kernel=inverse-multiquadric,bandwidth=2,ridge=0.1,levels=3,repeats=2",
    "patch-linear": "patch-linear:3",
    "patch-fields": "patch-fields:3,degree=1,strength=0.1,matching=implicit",
    "local-patch": "local-patch:3,equivariant",
}


def about(name: str) -> About:
    return About(SHAPES.get(name, IMAGES.event_shape), IMAGES.n_samples)


def test_every_estimator_of_the_table_can_be_written():
    assert set(WRITTEN) == set(ESTIMATORS)


def test_every_registered_estimator_has_a_name_in_the_table():
    built = {type(estimator_named(spec).estimator(about(name))) for name, spec in WRITTEN.items()}
    assert built >= set(ALL)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_usage_is_true_and_fits_the_data(name):
    drawn = np.random.default_rng(0).standard_normal((40, *about(name).event_shape))
    for usage in [WRITTEN[name], *ESTIMATORS[name].grammar.usage.split(" or ")]:
        chosen = estimator_named(usage)
        assert chosen.named.name == name
        assert isinstance(chosen.estimator(about(name)), Estimator)
    chosen = estimator_named(WRITTEN[name])
    chosen.check_data(about(name))
    denoised = chosen.estimator(about(name)).fit(drawn)(torch.from_numpy(drawn[:2]), 1.0)
    assert denoised.shape == (2, *about(name).event_shape)


def test_options_reach_the_estimator():
    fitted = estimator_named("kernel:nu-method,kernel=curl-free-gaussian,steps=7,levels=3").estimator(
        About((2,), 30, scale=2.0, seed=5)
    )
    assert fitted.score.n_steps == 7
    assert fitted.score.kernel == "curl-free-gaussian"
    assert fitted.seed == 5
    np.testing.assert_allclose(fitted.sigmas, [0.1, 0.2**0.5, 2.0])
    assert estimator_named("molrg:2,rank=3,linear").estimator(IMAGES).affine is False
    assert estimator_named("empirical:neighbours=7").estimator(IMAGES).neighbours == 7
    assert estimator_named("gmm:4,restarts=3").estimator(IMAGES).restarts == 3


def test_options_reach_the_features_and_their_solver():
    waves = estimator_named(
        "fourier:random=30,length=2,pure,strength=0.1,order=2,matching=sliced,repeats=3"
    ).estimator(About((2,), 30, seed=5))
    assert waves.features == FourierRule(n_random=30, length=2.0, seed=5, quadratic=False)
    assert waves.solver == Penalized(0.1, Roughness(2.0))
    assert (waves.matching, waves.repeats, waves.seed) == ("sliced", 3, 5)
    lattice = estimator_named("fourier:4,period=6").estimator(IMAGES)
    assert lattice.features == FourierRule(degree=4, period=6.0)
    filters = {
        "ridge,strength=0.1": Ridge(0.1),
        "cutoff,strength=0.1": SpectralCutoff(0.1),
        "gradient-flow,strength=0.1": GradientFlow(10.0),
        "minimum-norm": MinimumNorm(),
    }
    for text, expected in filters.items():
        assert estimator_named(f"hermite:2,solver={text}").estimator(IMAGES).solver == Filtered(expected)
    assert estimator_named("hermite:2,solver=exact").estimator(IMAGES).solver == Exact()
    assert estimator_named("time-separable:3").estimator(IMAGES).features == HermiteRule(3)
    assert estimator_named("bins:9,extent=4").estimator(IMAGES).features == BinsRule(9, 4.0)


def test_large_dimensions_keep_the_leading_modes_of_a_gaussian():
    assert estimator_named("gaussian").estimator(About((3, 64, 64), 10**5)).n_modes == 256
    assert estimator_named("gaussian").estimator(About((3, 32, 32), 10**5)).n_modes is None


def test_a_list_keeps_the_options_of_each():
    listed = ["gaussian,molrg:10,rank=2,linear,local-patch:5,equivariant", "kernel:stein,ridge=0.1,gmm:10"]
    assert [one.spec for one in estimators_named(listed)] == [
        "gaussian",
        "molrg:10,rank=2,linear",
        "local-patch:5,equivariant",
        "kernel:stein,ridge=0.1",
        "gmm:10",
    ]
    assert [one.spec for one in estimators_named(DEFAULT)] == ["gaussian", "empirical", "gmm:10"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gausian", "unknown estimator 'gausian'; choose from .*; did you mean 'gaussian'"),
        ("", "unknown estimator ''"),
        ("gmm", "estimator gmm needs its components; write it as gmm:10"),
        ("gmm:0", "components of estimator gmm must be a whole number >= 1, got '0'"),
        ("gmm:two", "components of estimator gmm must be a whole number >= 1, got 'two'"),
        ("gmm:3,shape=2", "unknown option of estimator gmm 'shape'; choose from components, restarts"),
        ("empirical:2,3", "estimator empirical takes no"),
        ("diagonal:x=1", "estimator diagonal takes no options"),
        ("patch-linear:4", "size of estimator patch-linear must be an odd whole number"),
        ("kernel:tikonov", "method of estimator kernel must be one of tikhonov, .*, got 'tikonov'"),
        ("kernel:tikhonov,kernel=box", "kernel of estimator kernel must be one of gaussian, "),
        ("kernel:tikhonov,ridge=0", "ridge of estimator kernel must be a number > 0, got '0'"),
        ("kernel:spectral-cutoff,kept=2", "kept of estimator kernel must be a number > 0 and at most 1"),
        ("gaussian,gmm:3,gaussian", "estimator gaussian is given twice"),
        ("gmm:3,gmm:components=3", "estimator gmm:components=3 is given twice"),
        ([], "no estimator is given"),
    ],
)
def test_bad_specifications_are_refused_with_what_is_allowed(spec, message):
    with pytest.raises(ValueError, match=message):
        estimators_named(spec)


@pytest.mark.parametrize(
    ("spec", "data", "message"),
    [
        ("gmm:41", IMAGES, "gmm:41 needs at least 41 samples to be fitted to, the data leave 40"),
        ("molrg:5,rank=9", IMAGES, "needs at least 45 samples"),
        ("low-rank:37", IMAGES, "rank must be at most the dimension of the data, 36, got 37"),
        ("gaussian:modes=37", IMAGES, "modes must be at most the dimension of the data, 36, got 37"),
        ("molrg:1,rank=37", About((36,), 99), "rank must be at most the dimension of the data, 36"),
        ("gmm:10", About((3, 96, 96), 10**5), "would take 61.2 GB; give fewer components, or molrg"),
        ("kernel:stein", About((2,), 20_000), "a kernel matrix of 20000 rows .* the limit is 12000"),
        ("kernel:stein,kernel=curl-free-gaussian", About((64,), 300), "a kernel matrix of 19200 rows"),
        ("kernel:nystrom,landmarks=50", IMAGES, "landmarks must be at most the number of samples, 40"),
        ("kernel:stein,steps=3", IMAGES, "the method stein has no steps; its own option is ridge"),
        ("empirical:neighbours=41", IMAGES, "needs at least 41 samples"),
        ("bins:9", IMAGES, "estimator bins:9: bins are made for one dimension, the data have 36"),
        ("fourier:degree=3", IMAGES, "would"),
        ("fourier:degree=3,random=9", IMAGES, "lattice .* or random .*; give one kind"),
        ("fourier:length=2", IMAGES, "say how many, as random=200"),
        ("hermite:9", IMAGES, "would"),
        ("hermite:2,solver=exact,strength=1", IMAGES, "the solver exact has no strength; leave it out"),
        ("fourier:2,solver=ridge,order=2", About((2,), 9), "the solver ridge has no order"),
        ("diagonal", About((2,), 1), "diagonal needs at least 2 samples"),
    ],
)
def test_data_that_an_estimator_cannot_take_are_refused(spec, data, message):
    with pytest.raises(ValueError, match=message):
        estimator_named(spec).check_data(data)


def test_the_documentation_lists_every_estimator_with_what_it_has():
    page = (Path(__file__).parents[2] / "docs" / "estimators.md").read_text()
    rows = {row[0]: row for row in re.findall(r"^\| `(\w+)` \|([^|]*)\|[^|]*\|([^|]*)\|", page, re.MULTILINE)}
    family = (*ALL, *AROUND_NETWORKS)
    assert set(rows) == {member.__name__ for member in family}
    capabilities = ("log_prob", "posterior_covariance", "jacobian", "log_density_up_to_constant")
    for member in family:
        said = set(re.findall(r"`(\w+)`", rows[member.__name__][2]))
        assert said == {name for name in capabilities if hasattr(member.fitted, name)}, member.__name__
    names = {
        estimator_named(spec).named.name for row in rows.values() for spec in re.findall(r"`([^`]+)`", row[1])
    }
    assert names == set(ESTIMATORS)
