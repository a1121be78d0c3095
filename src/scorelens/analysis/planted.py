"""Planted manifolds and their optimal denoisers: data of known dimension whose score is known as well."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks
from scorelens.data import manifolds
from scorelens.data.manifolds import Manifold, MixtureOfSubspaces, RolledSheet, Sphere, Subspace, Torus
from scorelens.estimators import FittedDenoiser, MixtureDenoiser
from scorelens.estimators.manifolds import RolledSheetDenoiser, SphereDenoiser, TorusDenoiser


def planted(spec: str) -> Manifold:
    """The planted manifold that ``spec`` names; ``ValueError`` for any other data.

    >>> planted("torus:dim=3,ambient=50").dim
    3
    """
    name, _, options = spec.partition(":")
    family = {source.name: source for source in manifolds.ALL}
    return family[checks.choice("planted manifold", name, family)].parse(options)


def exact_denoiser(spec: str, seed: int = 0) -> FittedDenoiser:
    """The optimal denoiser of the law behind ``load(spec, seed=seed)``: ``E[x_0 | x_0 + sigma n]``.

    Raises ``ValueError`` for data that are no planted manifold, and for one with noise of its own, which has
    the ambient dimension.

    >>> import torch
    >>> circle = exact_denoiser("sphere:dim=1,ambient=2,rotate=none")
    >>> circle(torch.tensor([[3.0, 0.0]]), 0.1)
    tensor([[0.9983, 0.0000]])
    """
    source = planted(spec)
    if source.noise > 0:
        raise ValueError(f"noise must be 0 for a manifold, got {source.noise:g} in {spec!r}; leave it out")
    frames = source.frames(seed)
    match source:
        case Subspace() | MixtureOfSubspaces():
            spread = [np.full(source.dim, source.scale**2)] * len(frames)
            return MixtureDenoiser.of_subspaces(np.ones(len(frames)), list(frames), spread)
        case Sphere():
            return SphereDenoiser(frames[0], source.radius)
        case Torus():
            return TorusDenoiser(frames[0], source.radius)
        case RolledSheet():
            return RolledSheetDenoiser(frames[0], source.turns)
    raise TypeError(f"{source.name} has no denoiser in closed form; fit estimators.Empirical to its points")
