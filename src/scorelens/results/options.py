"""The names by which people set the configuration of a run, in Python and on the command line."""

from __future__ import annotations

#: Option -> section and field of `RunConfig`. The command line and the Python functions take these names.
OPTIONS: dict[str, tuple[str, str]] = {
    "samples": ("data", "n_samples"),
    "modes": ("data", "n_modes"),
    "held_out": ("data", "held_out"),
    "width": ("network", "width"),
    "depth": ("network", "depth"),
    "preconditioning": ("preconditioning", "name"),
    "sigma_data": ("preconditioning", "sigma_data"),
    "center": ("preconditioning", "center"),
    "floor": ("preconditioning", "floor"),
    "shrinkage": ("preconditioning", "shrinkage"),
    "rank": ("preconditioning", "rank"),
    "noise": ("noise", "name"),
    "p_mean": ("noise", "p_mean"),
    "p_std": ("noise", "p_std"),
    "sampler_points": ("sampler", "n_sigmas"),
    "sigma_min": ("sampler", "sigma_min"),
    "sigma_max": ("sampler", "sigma_max"),
    "steps": ("training", "steps"),
    "batch_size": ("training", "batch_size"),
    "learning_rate": ("training", "learning_rate"),
    "ema_decay": ("training", "ema_decay"),
    "loss": ("training", "loss"),
    "objective": ("training", "objective"),
    "projections": ("training", "projections"),
    "law": ("law", "spec"),
    "measurements": ("measurement", "n_measurements"),
}

#: Options that the command line does not have.
PYTHON_ONLY = ("center",)
