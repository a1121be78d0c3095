"""Estimates in the terminal: the list of estimators, and a short table of what was found."""

from __future__ import annotations

from scorelens.analysis.explained import HELD_OUT, TRAINING
from scorelens.analysis.explained_words import levels_worth_showing, percent
from scorelens.analysis.named_estimators import ESTIMATORS
from scorelens.results import Estimation


def estimator_list() -> list[str]:
    """Every estimator that can be named: how it is written, what it is, and its options.

    >>> [line for line in estimator_list() if line.startswith("diagonal")]
    ['diagonal         Wiener filter of means and variances, every coordinate on its own']
    """
    lines = []
    for name, named in ESTIMATORS.items():
        lines.append(f"{name:<17}{named.means}")
        if named.grammar.options:
            lines.append(f"{'':17}as {named.grammar.usage}")
        lines += [f"{'':17}{key}: {option.allowed}" for key, option in named.grammar.options.items()]
    return lines


def estimate_table(made: Estimation) -> list[str]:
    """Explained variance of held-out data (and of training data) at three noise levels, one line each."""
    explained = made.store.read("explained")
    levels = levels_worth_showing(explained)
    header = ["estimator", "seconds", *(f"σ {explained['sigma'].values[i]:.2g}" for i in levels)]
    rows = [header]
    for fit in made.fits:
        if fit.spec in explained["estimator"].values:
            shares = explained["explained_variance"].sel(estimator=fit.spec).isel(sigma=levels)
            pairs = zip(shares.sel(part=HELD_OUT).values, shares.sel(part=TRAINING).values, strict=True)
            cells = [f"{percent(held)} ({percent(seen)})" for held, seen in pairs]
        else:
            cells = ["failed", *[""] * (len(levels) - 1)]
        rows.append([fit.spec, f"{fit.seconds:.2g}", *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return ["explained variance of held-out (training) data, %, by noise level:", *table]
