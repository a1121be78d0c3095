"""Where a run is written, and which run a resumed command continues."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

RUNS = Path("runs")


def new_folder(spec: str, out: Path | str | None) -> Path:
    """The folder for a new run: ``out``, or the first free of ``runs/NAME``, ``runs/NAME-2``, ..."""
    if out is not None:
        return Path(out)
    name, number = slug(spec), 1
    while (RUNS / _numbered(name, number)).exists():
        number += 1
    return RUNS / _numbered(name, number)


def folder_to_resume(spec: str, out: Path | str | None) -> Path:
    """The folder of the run to continue: ``out``, or the newest run of this data.

    Raises ``FileNotFoundError`` if there is none.
    """
    candidates = [Path(out)] if out is not None else _runs_of(slug(spec))
    found = [folder for folder in candidates if (folder / "config.json").is_file()]
    if not found:
        where = out if out is not None else RUNS / slug(spec)
        raise FileNotFoundError(
            f"no run to resume at {where}; leave --resume out, or name the run with --out"
        )
    return max(found, key=lambda folder: (folder / "config.json").stat().st_mtime)


def slug(spec: str) -> str:
    """A folder name for a data specification.

    >>> slug("gaussian:dim=128,spectrum=powerlaw"), slug("../pictures/mnist.parquet")
    ('gaussian-dim-128-spectrum-powerlaw', 'mnist')
    """
    path, _, options = spec.partition(":")
    stem = Path(path).stem or Path(path).resolve().name
    return re.sub(r"[^A-Za-z0-9._]+", "-", f"{stem}-{options}" if options else stem).strip("-.") or "run"


def distinct_slugs(specs: Sequence[str]) -> list[str]:
    """A folder or file name for each of ``specs``; those that differ by signs only are numbered.

    >>> distinct_slugs(["gmm:10", "gmm:1,0", "a"])
    ['gmm-10', 'gmm-1-0', 'a']
    >>> distinct_slugs(["law:a=1", "law:a=-1"])
    ['law-a-1', 'law-a-1-2']
    """
    names = [slug(spec) for spec in specs]
    counts = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name}-{n + 1}" if n else name for name, n in zip(names, counts, strict=True)]


def _runs_of(name: str) -> list[Path]:
    pattern = re.compile(re.escape(name) + r"(-\d+)?")
    return [folder for folder in RUNS.glob(f"{name}*") if pattern.fullmatch(folder.name)]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
