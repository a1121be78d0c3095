"""What the estimators are, and how to make the estimate again."""

from __future__ import annotations

import shlex

from scorelens.report.estimate.evidence import EstimateEvidence
from scorelens.report.panel import Section
from scorelens.report.repeat import FLAGS
from scorelens.report.sections.repeat import CITATIONS
from scorelens.report.table import ABSENT, Table, text
from scorelens.results import EstimateConfig, RunConfig


def estimators(evidence: EstimateEvidence) -> Section:
    """The section that says what each estimator is, and where its denoiser lies."""
    fits = evidence.estimation.fits
    rows = tuple((fit.spec, fit.means) for fit in fits)
    sources = tuple(
        (fit.spec, f"{fit.seconds:.2g}", fit.file or ABSENT, fit.equation, fit.reference) for fit in fits
    )
    return Section(
        name="estimators",
        short_title="Estimators",
        title="The estimators",
        lead="Each is computed from the training data in closed form or by a solver; no network is trained.",
        notes=(
            "A file holds a denoiser: scorelens measure FILE DATA measures it on other data, and "
            "scorelens.estimators.load(FILE) gives it in Python.",
        ),
        tables=(
            Table("What was fitted", ("estimator", "what it is"), rows),
            Table("How", ("estimator", "seconds", "file", "equation", "source"), sources),
        ),
    )


def repeat(evidence: EstimateEvidence) -> Section:
    """The section with the command, the versions and the citations."""
    environment = evidence.estimation.environment
    rows = [(str(name), str(version)) for name, version in environment.get("versions", {}).items()]
    labels = {"python": "python", "commit": "commit of scorelens"}
    rows += [(label, text(environment[key])) for key, label in labels.items() if environment.get(key)]
    return Section(
        name="repeat",
        short_title="Repeat",
        title="How to repeat this",
        lead="",
        code=command(evidence.estimation.config),
        notes=(
            "The same versions, device and number of threads give the same numbers. They lie in "
            "measurements.zarr beside this page, labelled; scorelens report FOLDER makes the page again.",
        ),
        tables=(
            Table("Versions it was made with", ("part", "version"), tuple(rows)),
            Table("To cite", ("for", "source"), CITATIONS[1:]),
        ),
    )


def command(config: EstimateConfig) -> str:
    """The command line of the estimate; defaults are left out.

    >>> command(EstimateConfig(estimators=("gaussian", "gmm:10"), seed=3))
    'scorelens estimate digits --estimator gaussian --estimator gmm:10 --seed 3'
    """
    words = ["scorelens", "estimate", config.data.spec]
    for spec in config.estimators:
        words += ["--estimator", spec]
    words += ["--seed", str(config.seed)]
    default, given = RunConfig().model_dump(), config.run.model_dump()
    for (section, field), flag in FLAGS.items():
        value = given[section][field]
        if value != default[section][field] and (section, field) != ("data", "spec"):
            words += [flag, repr(value) if isinstance(value, float) else str(value)]
    return shlex.join(words)
