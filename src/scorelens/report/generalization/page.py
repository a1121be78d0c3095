"""From the folder of a study of fitted scores to its page."""

from __future__ import annotations

import shlex
from pathlib import Path

from scorelens.analysis.generalization_words import generalization_sentences
from scorelens.core import storage
from scorelens.report.build import short_name
from scorelens.report.generalization.chapters import errors, places, samples
from scorelens.report.page import render
from scorelens.report.repeat import levels, repeat
from scorelens.results import Generalization

#: Where the equations stand that the page names.
TAGS = "[G1] to [G32] are the equations of docs/theory/generalization.md."
#: Options that only say what is the default anyway.
DEFAULTS = {"samples": 200, "models": 200, "resample": "fresh", "components": None, "steps": 30, "seed": 0}


def build_generalization(folder: str | Path) -> Path:
    """Write ``report.html`` of the study in ``folder``, from the folder alone, and return its path.

    Raises ``ValueError`` if ``folder`` is none or damaged, `StorageError` if the page cannot be written.
    """
    made = Generalization.open(folder)
    storage.write_text(made.report_path, page(made))
    return made.report_path


def page(made: Generalization) -> str:
    """The page of a study, as text."""
    levels, moments = made.store.read("levels"), made.store.read("moments")
    return render(
        title=short_name(made.data),
        subtitle="How far off a score is that was fitted to few draws, where, and what that does to samples.",
        problems=made.remarks,
        summary=[_population(made), *generalization_sentences(levels, moments, made.samples)],
        sections=[
            errors(made, levels),
            places(made, made.store.read("places")),
            samples(made, made.store.read("samples"), moments),
            repeat(made, command(made), TAGS),
        ],
    )


def _population(made: Generalization) -> str:
    what = f"The population are the {made.n_points:,} points of {short_name(made.data)}"
    if made.components is not None:
        which = "principal component" if made.components == 1 else f"{made.components} principal components"
        what += f", of which only the leading {which} are kept ({made.share:.0%} of the variance)"
    draws = (
        f"{made.samples:,} fresh draws of a point and noise"
        if made.resample == "fresh"
        else f"resamples of one training set of {made.samples:,} draws"
    )
    return f"{what}; {made.models:,} models per noise level, each fitted to {draws}."


def command(made: Generalization) -> str:
    """The command line of the study; defaults are left out."""
    words = ["scorelens", "generalize", made.data, "--features", ",".join(made.features)]
    for name, default in DEFAULTS.items():
        value = getattr(made, name)
        if value != default:
            words += [f"--{name}", str(value)]
    if made.sigma_given:
        words += ["--sigma", levels(made.sigma)]
    return shlex.join(words)
