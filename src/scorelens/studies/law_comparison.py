"""The same forecast by several learning laws: one folder, one page side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scorelens import report
from scorelens.analysis.laws import ChosenLaw, law_named, split_list
from scorelens.results import Run
from scorelens.studies.closed_form import foretell, refuse_unused
from scorelens.studies.comparison import Comparison
from scorelens.studies.configure import configure
from scorelens.studies.folders import distinct_slugs, new_folder
from scorelens.studies.preparation import prepare


def compare_laws(
    data: str, laws: str | Sequence[str], *, out: Path | str | None = None, **options: Any
) -> Comparison:
    """Forecast ``data`` by each of the ``laws``, each in its own folder under ``out``, and one page for all.

    ``laws`` are specifications (``["one-layer", "deep:3,tied"]``), or one text with all of them
    (``"one-layer,two-layer,deep:3,tied"``); ``options`` are those of `forecast`.

    Raises ``ValueError`` for fewer than two laws, unknown ones, or one that cannot be that of the data,
    before anything is written.
    """
    chosen = _chosen(split_list(laws) if isinstance(laws, str) else laws, options)
    refuse_unused(chosen, options)
    configs = {law.spec: configure(data, law=law.spec, **options) for law in chosen}

    def check(event_shape: tuple[int, ...]) -> None:
        for law in chosen:
            law.check_data(event_shape)

    first = next(iter(configs.values()))
    prepared = prepare(first.data, first.seed, check)
    folder = new_folder(f"{data}-laws", out)
    runs: dict[str, Run] = {}
    for name, (spec, config) in zip(distinct_slugs(list(configs)), configs.items(), strict=True):
        runs[spec] = Run.create(folder / name, config)
        foretell(runs[spec], prepared)
        report.build(runs[spec].path)
    report.build_law_comparison(folder, runs)
    return Comparison(folder, runs)


def _chosen(specs: Sequence[str], options: dict[str, Any]) -> list[ChosenLaw]:
    if "law" in options:
        raise ValueError("a comparison names the laws itself; leave the option law out")
    chosen = [law_named(spec) for spec in specs]
    known = {(law.named.name, tuple(law.values.items())) for law in chosen}
    if len(known) != len(chosen) or len(chosen) < 2:
        raise ValueError(f"a comparison needs two or more different laws, got {', '.join(specs) or 'none'}")
    return chosen
