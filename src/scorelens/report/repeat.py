"""The command that makes a run or another result again, and the chapter that shows it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from scorelens.report.panel import Section
from scorelens.report.table import Table
from scorelens.results import ResultFolder, RunConfig
from scorelens.results.options import OPTIONS, PYTHON_ONLY

#: Sections of the configuration that say how a network is made, trained and measured: no forecast needs them.
OF_TRAINING = ("network", "training", "measurement")

#: Field of the configuration -> option of `scorelens study`; what only Python can set is not among them.
FLAGS = {target: f"--{name.replace('_', '-')}" for name, target in OPTIONS.items() if name not in PYTHON_ONLY}


def command(config: RunConfig, *, forecast: bool = False) -> str:
    """The command line of a study with ``config``, or of the ``forecast`` alone; defaults are left out.

    >>> command(RunConfig(seed=3)), command(RunConfig(), forecast=True)
    ('scorelens study digits --seed 3', 'scorelens forecast digits --seed 0')
    """
    words = ["scorelens", "forecast" if forecast else "study", config.data.spec, "--seed", str(config.seed)]
    for (section, field), value in _changes(config).items():
        if (section, field) in FLAGS and not (forecast and section in OF_TRAINING and field != "loss"):
            words += [FLAGS[section, field], repr(value) if isinstance(value, float) else str(value)]
    return shlex.join(words)


def other_settings(config: RunConfig) -> tuple[str, ...]:
    """Settings that differ from their default and that no option of the command line changes.

    >>> other_settings(RunConfig.model_validate({"preconditioning": {"center": False}}))
    ('preconditioning.center = False',)
    """
    return tuple(
        f"{section}.{field} = {value!r}"
        for (section, field), value in _changes(config).items()
        if (section, field) not in FLAGS
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


def levels(sigma: Iterable[float]) -> str:
    """Noise levels as an option takes them: every digit, so that they are the same again.

    >>> levels([0.1234567, 2.0])
    '0.1234567,2'
    """
    return ",".join(repr(float(one)).removesuffix(".0") for one in sigma)


def repeat(made: ResultFolder, command_line: str, tags: str) -> Section:
    """The chapter on how to make a result again; ``tags`` says where the equations that it names stand."""
    versions = made.environment.get("versions") or {}
    rows = tuple((str(name), str(version)) for name, version in versions.items())
    return Section(
        name="repeat",
        short_title="Repeat",
        title="How to repeat this",
        lead="",
        code=command_line,
        notes=(
            "The numbers lie in datasets.zarr beside this page, labelled; scorelens report FOLDER makes the "
            f"page again. {tags}",
        ),
        tables=(Table("Versions it was made with", ("part", "version"), rows),) if rows else (),
    )
