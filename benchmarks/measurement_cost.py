"""What measuring costs: seconds of a study, and the share of them that the instruments take.

python benchmarks/measurement_cost.py [--data digits] [--steps 4000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import xarray as xr

from scorelens import instruments, report, training
from scorelens.core.denoiser import Denoiser
from scorelens.results import Run
from scorelens.studies import configure, prepare
from scorelens.studies.closed_form import foretell


class Timed:
    """An instrument that adds up its seconds."""

    seconds = 0.0

    def __init__(self, instrument: instruments.Instrument) -> None:
        self.instrument, self.name = instrument, instrument.name

    def measure(self, denoiser: Denoiser) -> xr.Dataset:
        begin = time.perf_counter()
        try:
            return self.instrument.measure(denoiser)
        finally:
            Timed.seconds += time.perf_counter() - begin


def main() -> None:
    """Run one study part by part and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--steps", type=int, default=4000)
    given = parser.parse_args()
    begin = time.perf_counter()
    config = configure(given.data, steps=given.steps)
    run = Run.create(Path(tempfile.mkdtemp()) / "run", config)
    prepared = prepare(config.data, config.seed)
    foretell(run, prepared)
    before = time.perf_counter()
    denoiser = training.build_denoiser(config, prepared.spectrum)
    standard = instruments.standard(prepared.train, prepared.held_out, prepared.spectrum, config)
    training.train(config, run, prepared.train, denoiser, [Timed(one) for one in standard], progress=False)
    trained = time.perf_counter()
    report.build(run.path)
    end = time.perf_counter()
    print("| part | seconds | share |\n| --- | --- | --- |")
    parts = {
        "data, spectrum, forecast": before - begin,
        "training": trained - before - Timed.seconds,
        "measuring": Timed.seconds,
        "page": end - trained,
        "whole": end - begin,
    }
    for name, seconds in parts.items():
        print(f"| {name} | {seconds:.1f} | {seconds / (end - begin):.0%} |")


if __name__ == "__main__":
    main()
