"""Options that several commands share, in groups; a command accepts groups and passes on what was given."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, gaussian:dim=256,spectrum=powerlaw, moons, a .npy, .npz or .parquet file, a folder...",
    ),
]

OUTPUT = {
    "out": Annotated[
        Path | None, typer.Option(help="Folder to write. Default: runs/NAME, numbered if taken.")
    ],
    "seed": Annotated[int | None, typer.Option(help="Seed of everything random. Default: 0.")],
}

SPLIT = {
    "samples": Annotated[int | None, typer.Option(help="Use only this many samples of the data.")],
    "held_out": Annotated[float | None, typer.Option(help="Share of the data kept aside. Default: 0.1.")],
}

SPECTRUM = {
    **SPLIT,
    "modes": Annotated[
        int | None, typer.Option(help="Follow only the leading modes. Default: all up to 1024 dimensions.")
    ],
}

SAMPLER = {
    "sampler_points": Annotated[int | None, typer.Option(help="Noise levels of the sampler. Default: 40.")],
    "sigma_min": Annotated[
        float | None, typer.Option(help="The sampler's last noise level. Default: 0.002.")
    ],
    "sigma_max": Annotated[float | None, typer.Option(help="The sampler's first noise level. Default: 80.")],
}

OBJECTIVE = {
    "preconditioning": Annotated[
        str | None, typer.Option(help="edm, spectral or spectral-skip. Default: edm.")
    ],
    "sigma_data": Annotated[float | None, typer.Option(help="EDM's sigma_data. Default: measured.")],
    "floor": Annotated[
        float | None, typer.Option(help="Smallest variance that spectral preconditioning assumes.")
    ],
    "shrinkage": Annotated[
        str | None, typer.Option(help="none, ledoit-wolf or held-out eigenvalues. Default: none.")
    ],
    "rank": Annotated[int | None, typer.Option(help="Modes that the spectral operators keep. Default: all.")],
    "noise": Annotated[
        str | None,
        typer.Option(
            help="Law of the noise level: lognormal, loguniform, variance or flow-time. Default: lognormal."
        ),
    ],
    "loss": Annotated[
        str | None,
        typer.Option(
            help="How errors weigh: pixel (as EDM), target, x0, noise, v, velocity, score or likelihood. "
            "Default: pixel."
        ),
    ],
    "objective": Annotated[
        str | None,
        typer.Option(
            help="How the score is matched: denoising, explicit, implicit, hutchinson, projected, sliced, "
            "sliced-vr, finite-difference or flow-matching. Default: denoising."
        ),
    ],
    "projections": Annotated[
        str | None,
        typer.Option(
            help="Directions of slices: rademacher, gaussian, sphere or unit-sphere. Default: rademacher."
        ),
    ],
    "p_mean": Annotated[float | None, typer.Option(help="Mean of log sigma in training. Default: -1.2.")],
    "p_std": Annotated[float | None, typer.Option(help="Its standard deviation. Default: 1.2.")],
}

LAW = {
    "law": Annotated[
        str | None,
        typer.Option(
            help="Learning law: one-layer, residual, two-layer, two-layer-untied, deep:3, deep-residual:3, "
            "infinite-depth, conv, patch:5x5, flow, flow-two-layer or preconditioned, with options as in "
            "two-layer:initial_gain=0.05. Default: preconditioned."
        ),
    ],
}

ESTIMATORS = {
    "estimators": Annotated[
        list[str] | None,
        typer.Option(
            "--estimator",
            metavar="SPEC",
            help="An estimator, several separated by commas, or the option again: gaussian, diagonal, "
            "low-rank:20, stationary, empirical, gmm:10, molrg:10,rank=2, fourier:3 or "
            "fourier:random=200,length=1, hermite:4, monomials:3, time-separable:4, bins:20, affine, "
            "kernel:tikhonov, patch-linear:5, local-patch:5, patch-fields:3; --list shows all with their "
            "options. Default: gaussian,empirical,gmm:10.",
        ),
    ],
}

FITTED = {
    "samples": Annotated[int | None, typer.Option(help="Draws in a training set. Default: 200.")],
    "models": Annotated[int | None, typer.Option(help="Fits at each noise level. Default: 200.")],
    "resample": Annotated[
        str | None,
        typer.Option(help="fresh draws of the data, or bootstrap: of one training set. Default: fresh."),
    ],
    "components": Annotated[
        int | None, typer.Option(help="Look at so many leading principal components only. Default: none.")
    ],
    "steps": Annotated[int | None, typer.Option(help="Euler steps of the sampler. Default: 30.")],
    **OUTPUT,
}

QUIET = {
    "quiet": Annotated[bool | None, typer.Option("--quiet", "-q", help="Do not say what is being done.")]
}

TRAINING = {
    "steps": Annotated[int | None, typer.Option(help="Optimizer steps. Default: 4000.")],
    "batch_size": Annotated[int | None, typer.Option(help="Samples per step. Default: 128.")],
    "learning_rate": Annotated[float | None, typer.Option(help="Adam's learning rate. Default: 0.001.")],
    "ema_decay": Annotated[float | None, typer.Option(help="Average the weights so. Default: off.")],
    "width": Annotated[int | None, typer.Option(help="Width of the MLP-UNet. Default: 256.")],
    "depth": Annotated[int | None, typer.Option(help="Depth of the MLP-UNet. Default: 3.")],
    "measurements": Annotated[int | None, typer.Option(help="How many times to measure. Default: 16.")],
    "resume": Annotated[
        bool | None, typer.Option("--resume", help="Continue an interrupted run where it stopped.")
    ],
    "quiet": Annotated[bool | None, typer.Option("--quiet", "-q", help="No progress bars.")],
}


def accepts(*groups: dict[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of ``groups``; it receives those that were given as keyword arguments."""
    shared = {name: annotation for group in groups for name, annotation in group.items()}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_given_options(**arguments: Any) -> None:
            command(**{k: v for k, v in arguments.items() if k not in shared or v is not None})

        own = [
            p
            for p in inspect.signature(command, eval_str=True).parameters.values()
            if p.kind is not p.VAR_KEYWORD
        ]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in shared.items()
        ]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
        with_given_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        with_given_options.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_given_options

    return decorate


def numbers(name: str, text: str) -> list[float]:
    """The numbers of a list as ``0.05,0.5``; ``ValueError`` naming the option for anything else.

    >>> numbers("sigma", "0.05, 0.5")
    [0.05, 0.5]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name}: got {text!r}; give numbers with commas between, as 0.05,0.5") from None
