"""Dimension of planted manifolds: our estimators against those of scikit-dimension, on the same points.

Ours are asked at ``--at`` of the points with the optimal denoiser of the manifold, and FLIPD also with the
empirical denoiser of all points; theirs get all points. Runs are in one process, one thread.

    pip install scikit-dimension  # not a dependency of scorelens
    python benchmarks/dimension.py [--n 2000] [--at 8] [--only sphere]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from scorelens.analysis.planted import exact_denoiser, planted
from scorelens.data import load
from scorelens.estimators import EmpiricalDenoiser
from scorelens.geometry.dimension import Flipd, JacobianRank, LikelihoodSlope, NormalBundle

SPECS = (
    "subspace:dim=2,ambient=10",
    "subspace:dim=20,ambient=100",
    "subspace:dim=200,ambient=2000",
    "sphere:dim=2,ambient=10",
    "sphere:dim=20,ambient=100",
    "sphere:dim=200,ambient=2000",
    "torus:dim=2,ambient=10",
    "torus:dim=20,ambient=100",
    "torus:dim=200,ambient=2000",
    "rolled-sheet:dim=2,ambient=10",
    "rolled-sheet:dim=20,ambient=100",
    "molrg:components=3,dim=5,ambient=100",
    "molrg:components=3,dim=50,ambient=2000",
)
SIGMAS = np.geomspace(0.003, 0.3, 7)
LARGE = 500
"""From this ambient dimension on, estimators that form whole matrices are asked at one point only."""

Found = tuple[float, str]


def main() -> None:
    """Print one table of estimates and one of seconds."""
    parser = argparse.ArgumentParser(description="Dimension of planted manifolds against scikit-dimension.")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--at", type=int, default=8)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    theirs = scikit_dimension()
    for spec in SPECS:
        if given.only in spec:
            points = load(f"{spec},n={given.n}", seed=0)[:]
            for name, run in {**ours(spec, points, given.at), **theirs_on(theirs, points)}.items():
                report(spec, name, run)


def report(spec: str, name: str, run: Callable[[], Found]) -> None:
    """One row: the estimate, its error relative to what was planted, seconds."""
    begin = time.perf_counter()
    try:
        value, remark = run()
    except Exception as error:
        value, remark = float("nan"), f"{type(error).__name__}: {str(error)[:60]}"
    seconds = time.perf_counter() - begin
    off = value / planted(spec).dim - 1
    print(f"| {spec} | {name} | {value:.2f} | {off:+.0%} | {seconds:.2f} | {remark} |", flush=True)


def ours(spec: str, points: np.ndarray, n_at: int) -> dict[str, Callable[[], Found]]:
    """Our estimators, each a function without arguments."""
    # The planted curve rests only inside a sheet: its border points are left out.
    x = torch.from_numpy(points[inside(spec, points)][:n_at]).double()
    exact, sigmas = exact_denoiser(spec), SIGMAS
    if spec.startswith("rolled-sheet"):
        sigmas = SIGMAS[SIGMAS > 0.01]
    empirical = EmpiricalDenoiser((points.shape[1],), torch.from_numpy(points))
    few = x
    if x.shape[1] >= LARGE:
        few, sigmas = x[:1], sigmas[:4]

    def estimate(member, denoiser, at) -> Found:
        found = member.estimate(denoiser, at, sigmas)
        words = ", ".join(f"{found.status.count(s)} {s}" for s in dict.fromkeys(found.status))
        return float(np.mean(found.value)), f"{words}; sigma {np.median(found.sigma):.3g}"

    def below_spacing() -> Found:
        return float(Flipd().at(empirical, x, 1e-4).value.mean()), "sigma 0.0001, below the spacing"

    return {
        "FLIPD": lambda: estimate(Flipd(), exact, x),
        "FLIPD, exact trace": lambda: estimate(Flipd(trace="exact"), exact, few),
        "normal bundle": lambda: estimate(NormalBundle(), exact, few),
        "Jacobian rank": lambda: estimate(JacobianRank(n_draws=2), exact, few),
        "likelihood slope": lambda: estimate(LikelihoodSlope(), exact, x),
        "FLIPD, empirical denoiser": lambda: estimate(Flipd(), empirical, x),
        "FLIPD, empirical, small noise": below_spacing,
    }


def inside(spec: str, points: np.ndarray) -> np.ndarray:
    """Rows away from borders, where a neighbourhood is whole."""
    source = planted(spec)
    if source.name != "rolled-sheet":
        return np.arange(len(points))
    flat = points @ source.frames(0)[0]
    radius = np.hypot(flat[:, 0], flat[:, 1])
    depth = np.minimum(np.minimum(radius - 1 / 3, 1 - radius), 1 - np.abs(flat[:, 2:]).max(axis=1, initial=0))
    return np.argsort(-depth)


def scikit_dimension():
    """The module of scikit-dimension's estimators; says how to get it if it is missing."""
    try:
        import skdim.id
    except ImportError as error:
        raise SystemExit(
            "this benchmark compares with scikit-dimension: pip install scikit-dimension"
        ) from error
    return skdim.id


def theirs_on(module, points: np.ndarray) -> dict[str, Callable[[], Found]]:
    """Global estimates of scikit-dimension with its default settings."""

    def fit(name: str) -> Found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(getattr(module, name)().fit(points.astype(np.float64)).dimension_), ""

    names = ("MLE", "TwoNN", "lPCA", "CorrInt", "MOM", "FisherS")
    return {f"skdim {name}": (lambda name=name: fit(name)) for name in names}


if __name__ == "__main__":
    main()
