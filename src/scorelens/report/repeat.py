"""The command that makes a run again."""

from __future__ import annotations

import shlex

from scorelens.results import RunConfig

#: Field of the configuration -> option of `scorelens study`.
OPTIONS: dict[tuple[str, str], str] = {
    ("data", "n_samples"): "--samples",
    ("data", "n_modes"): "--modes",
    ("network", "width"): "--width",
    ("network", "depth"): "--depth",
    ("preconditioning", "name"): "--preconditioning",
    ("preconditioning", "sigma_data"): "--sigma-data",
    ("noise", "p_mean"): "--p-mean",
    ("noise", "p_std"): "--p-std",
    ("sampler", "n_sigmas"): "--sampler-points",
    ("sampler", "sigma_min"): "--sigma-min",
    ("sampler", "sigma_max"): "--sigma-max",
    ("training", "steps"): "--steps",
    ("training", "batch_size"): "--batch-size",
    ("training", "learning_rate"): "--learning-rate",
    ("training", "ema_decay"): "--ema-decay",
    ("training", "loss"): "--loss",
    ("measurement", "n_measurements"): "--measurements",
}


def command(config: RunConfig) -> str:
    """The command line of a run with ``config``, options with their default value left out.

    >>> command(RunConfig(seed=3))
    'scorelens study digits --seed 3'
    """
    words = ["scorelens", "study", config.data.spec, "--seed", str(config.seed)]
    for (section, field), value in _changes(config).items():
        if (section, field) in OPTIONS:
            words += [OPTIONS[section, field], repr(value) if isinstance(value, float) else str(value)]
    return shlex.join(words)


def other_settings(config: RunConfig) -> tuple[str, ...]:
    """Settings that differ from their default and that no option of the command line changes.

    >>> other_settings(RunConfig.model_validate({"data": {"held_out": 0.2}}))
    ('data.held_out = 0.2',)
    """
    return tuple(
        f"{section}.{field} = {value!r}"
        for (section, field), value in _changes(config).items()
        if (section, field) not in OPTIONS
    )


def _changes(config: RunConfig) -> dict[tuple[str, str], object]:
    default, given = RunConfig().model_dump(), config.model_dump()
    return {
        (section, field): value
        for section, fields in given.items()
        if isinstance(fields, dict)
        for field, value in fields.items()
        if value != default[section][field] and (section, field) != ("data", "spec")
    }
