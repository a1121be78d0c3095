"""Spectral against EDM preconditioning: steps until every mode is right, and steps until EDM's final loss.

Networks, batches and noise are the same (one seed); only what stands between network and denoiser differs.
Two numbers for each preconditioner:

1. the first measured step from which every mode's implied variance (transfer function, no sampling noise)
   stays within 0.8-1.25 of the data's;
2. the first measured step at which the held-out EDM loss is no larger than that of EDM at the last step.

    python benchmarks/preconditioning.py [--data gaussian:dim=128] [--steps 3000] [--seeds 0,1]
    python benchmarks/preconditioning.py --data mnist.parquet
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scorelens import training
from scorelens.instruments import DenoisingLoss, TransferFunction
from scorelens.results import Run
from scorelens.results.config import RunConfig
from scorelens.studies import Prepared, configure, prepare
from scorelens.studies.configure import validated

NAMES = ("edm", "spectral", "spectral-skip")
BAND = (0.8, 1.25)
SCHEDULE = {"n_measurements": 32, "n_probes": 512}


def trained(config: RunConfig, prepared: Prepared) -> Run:
    """One training run, measured by the transfer function and the loss only."""
    run = Run.create(Path(tempfile.mkdtemp()) / "run", config)
    denoiser = training.build_denoiser(config, prepared.spectrum, prepared.held_out)
    arguments = (prepared.train, prepared.held_out, prepared.spectrum, config)
    watching = [TransferFunction.for_run(*arguments), DenoisingLoss.for_run(*arguments)]
    training.train(config, run, prepared.train, denoiser, watching, progress=False)
    return run


def first_step_within_band(run: Run) -> int | None:
    """The first measured step from which all modes stay within the band; ``None`` if that never happens."""
    measured = run.measurement("transfer_function")
    ratio = (measured.implied_variance / measured.eigenvalue).values
    within = np.all((ratio >= BAND[0]) & (ratio <= BAND[1]), axis=1)
    if not within[-1]:
        return None
    outside = np.flatnonzero(~within)
    return int(measured.step[outside[-1] + 1 if len(outside) else 0])


def share_within_band(run: Run) -> float:
    """Share of the modes within the band at the last step."""
    measured = run.measurement("transfer_function").isel(step=-1)
    ratio = (measured.implied_variance / measured.eigenvalue).values
    return float(np.mean((ratio >= BAND[0]) & (ratio <= BAND[1])))


def first_step_at_loss(run: Run, target: float) -> int | None:
    """The first measured step whose held-out EDM loss is at most ``target``."""
    loss = run.measurement("loss").held_out_edm_loss
    reached = np.flatnonzero(loss.values <= target)
    return int(loss.step[reached[0]]) if len(reached) else None


def configuration(data: str, name: str, options: dict[str, Any]) -> RunConfig:
    """A run of one preconditioner with a fine schedule of measurements."""
    sections = configure(data, preconditioning=name, **options).model_dump()
    sections["measurement"] |= SCHEDULE
    sections["training"]["checkpoint_every"] = options["steps"]
    return validated(sections)


def compare(data: str, seed: int, **options: Any) -> list[dict[str, Any]]:
    """One row per preconditioner."""
    options["seed"] = seed
    configs = {name: configuration(data, name, options) for name in NAMES}
    prepared = prepare(configs["edm"].data, seed)
    runs = {name: trained(config, prepared) for name, config in configs.items()}
    target = float(runs["edm"].measurement("loss").held_out_edm_loss[-1])
    return [
        {
            "data": data,
            "seed": seed,
            "preconditioner": name,
            "all modes right from step": first_step_within_band(run),
            "share right at the end": round(share_within_band(run), 3),
            "held-out EDM loss at the end": round(float(run.measurement("loss").held_out_edm_loss[-1]), 4),
            "step at EDM's final loss": first_step_at_loss(run, target),
        }
        for name, run in runs.items()
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """A markdown table."""
    print("| " + " | ".join(rows[0]) + " |\n|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join("never" if value is None else str(value) for value in row.values()) + " |")


def main() -> None:
    """Run the comparison for every seed and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="gaussian:dim=128")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", default="0")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    show([row for seed in seeds for row in compare(given.data, seed, steps=given.steps)])


if __name__ == "__main__":
    main()
