"""The training loop: each step is a function of the seed and its number, so a resumed run is the same run."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, final

import torch
import xarray as xr
from accelerate import Accelerator
from torch.optim.swa_utils import get_ema_multi_avg_fn

from scorelens.core import storage
from scorelens.core.denoiser import Denoiser
from scorelens.instruments.sitting import sitting
from scorelens.networks import PreconditionedDenoiser
from scorelens.results import Run, RunConfig
from scorelens.training import checkpoints, failure
from scorelens.training.batches import Batches, Samples
from scorelens.training.build import build_loss, n_projections
from scorelens.training.loss_record import NAME as LOSS_NAME
from scorelens.training.loss_record import LossRecord
from scorelens.training.memorization_alarm import MemorizationAlarm, OnMemorization
from scorelens.training.progress import progress_bar
from scorelens.training.schedule import measurement_steps

STEPS_BETWEEN_LOOKS = 16
"""How many losses may wait on an accelerator, or on several processes, before they are looked at."""


class Watches(Protocol):
    """What training needs of an instrument."""

    name: ClassVar[str]

    def measure(self, denoiser: Denoiser, /) -> xr.Dataset: ...


def train(
    config: RunConfig,
    run: Run,
    train_data: Samples,
    denoiser: PreconditionedDenoiser,
    instruments: Sequence[Watches] = (),
    *,
    resume: bool = False,
    progress: bool = True,
    on_memorization: OnMemorization | None = None,
) -> PreconditionedDenoiser:
    """Train ``denoiser`` in place as ``config`` says, measuring on the way; everything is stored in ``run``.

    Runs in one process, or in each of several that `accelerate launch` (or torchrun) started; the first one
    measures and stores. ``resume`` goes on from the latest undamaged checkpoint, from the start if there is
    none. The instruments see the averaged weights if ``config.training.ema_decay`` is set. As soon as they
    show that the model learns its training data by heart, the first process calls ``on_memorization`` once,
    by default with a Python warning; in a resumed run that memorises, at its beginning.

    Returns the denoiser that the last measurement saw, in evaluation mode.

    Raises ``ValueError`` if ``run`` has checkpoints and ``resume`` is false, `NonFiniteLoss` if training
    diverges, `StorageError` if something cannot be written; what was stored before stays good.
    """
    if run.checkpoints and not resume:
        raise ValueError(f"{run.path} is trained already; go on with it (--resume) or choose another (--out)")
    alarm = MemorizationAlarm(run, on_memorization)
    trainer = _Trainer(config, run, train_data, denoiser, instruments, alarm)
    trainer.restore()
    trainer.run_to_end(progress)
    return trainer.watched.eval()


@final
class _Trainer:
    """The moving parts of one training run, in one process."""

    def __init__(
        self,
        config: RunConfig,
        run: Run,
        data: Samples,
        denoiser: PreconditionedDenoiser,
        instruments: Sequence[Watches],
        alarm: MemorizationAlarm,
    ) -> None:
        self.config, self.run, self.denoiser, self.instruments = config, run, denoiser, instruments
        self.alarm = alarm
        # Told to use the CPU, accelerate finds the other processes of `torchrun` there too.
        self.accelerator = Accelerator(cpu=not torch.accelerator.is_available())
        self.model = self._distributed(denoiser.train())
        self.loss = build_loss(config, denoiser.preconditioner, data)
        decay = config.training.ema_decay
        self.ema = copy.deepcopy(denoiser).eval().requires_grad_(False) if decay else None
        self.averages: list[torch.Tensor] = list(self.ema.parameters()) if self.ema else []
        self._average = get_ema_multi_avg_fn(decay) if decay else None
        self.parameters: list[torch.Tensor] = list(denoiser.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.training.learning_rate, fused=True)
        self.batches = Batches(
            data,
            config.training.batch_size,
            config.seed,
            self.accelerator.device,
            process=self.accelerator.process_index,
            n_processes=self.accelerator.num_processes,
            n_projections=n_projections(config),
        )
        self.record = LossRecord(self._mean_over_processes)
        self.measured_at = frozenset(
            measurement_steps(config.training.steps, config.measurement.n_measurements)
        )
        self.step = 0

    @property
    def watched(self) -> PreconditionedDenoiser:
        """What the instruments see."""
        return self.denoiser if self.ema is None else self.ema

    def restore(self) -> None:
        """Go on from the latest good checkpoint; what was stored after it is discarded, to be made again."""
        folder = checkpoints.newest_good(self.run)
        if folder is not None:
            self._load(checkpoints.load(folder))
        if self.accelerator.is_main_process:
            self.run.remove_leftovers()
            self.run.discard_after(self.step if folder else -1)
            for later in self.run.checkpoints:
                if later > self.step:
                    storage.remove(self.run.checkpoint_path(later))
            self.run.record_environment(**self._circumstances())
        self.accelerator.wait_for_everyone()
        self.saved_at = self.step
        self.measured_at -= set(self.run.measured_steps)
        self.accelerator.wait_for_everyone()  # before the first process stores its next measurement

    def run_to_end(self, progress: bool) -> None:
        """Train, measure and store until the last step."""
        training = self.config.training
        shown = progress and self.accelerator.is_main_process
        if self.accelerator.is_main_process:
            self.alarm.look()
        with progress_bar(self.step, training.steps, shown=shown) as report:
            while True:
                self._measure_if_due()
                self._save_if_due()
                if self.step == training.steps:
                    return
                self._advance()
                report(self.step, self.record.latest)

    def _advance(self) -> None:
        batch = self.batches.at(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        per_sample = self.loss(self.model, *batch)
        # Processes average their gradients: the mean of these is the mean over the whole batch.
        loss = per_sample.sum() * (self.accelerator.num_processes / self.config.training.batch_size)
        self.record.add(loss)
        if self.record.n_pending >= self._look_every:
            self._look(self.step)
        self.accelerator.backward(loss)
        self.optimizer.step()
        if self._average is not None:
            self._average(self.averages, self.parameters, None)
        self.step += 1

    @property
    def _look_every(self) -> int:
        immediate = self.accelerator.device.type == "cpu" and self.accelerator.num_processes == 1
        return 1 if immediate else STEPS_BETWEEN_LOOKS

    def _look(self, latest_step: int) -> None:
        """Stop if a loss up to that of ``latest_step`` is not finite."""
        steps_ago = self.record.flush()
        if steps_ago is not None:
            step = latest_step + 1 - steps_ago
            self._stop(step, failure.diagnose(step, self.batches.at(step), self.denoiser))

    def _settle(self) -> None:
        """Make sure that what is about to be measured or stored is finite."""
        self._look(self.step - 1)
        if not failure.weights_finite(self.denoiser):
            self._stop(
                max(self.step - 1, 0), "its gradient was not finite, and neither are the weights since"
            )

    def _stop(self, step: int, cause: str) -> None:
        last_good = checkpoints.newest_good(self.run)
        raise failure.NonFiniteLoss(step, cause, self.config.training.learning_rate, last_good)

    def _measure_if_due(self) -> None:
        if self.step not in self.measured_at:
            return
        self._settle()
        losses = self.record.take()
        if self.accelerator.is_main_process:
            self.denoiser.eval()
            with sitting():
                measured = {
                    instrument.name: instrument.measure(self.watched) for instrument in self.instruments
                }
            self.denoiser.train()
            if losses is not None:
                measured[LOSS_NAME] = losses
            self.run.write_measurement(self.step, measured)
            self.alarm.look()
        self.accelerator.wait_for_everyone()

    def _save_if_due(self) -> None:
        training = self.config.training
        due = self.step % training.checkpoint_every == 0 or self.step == training.steps
        if self.step == 0 or not due or self.step == self.saved_at:
            return
        self._settle()
        if self.accelerator.is_main_process:
            checkpoint = checkpoints.Checkpoint(
                self.step,
                self.denoiser,
                self.ema,
                checkpoints.flat_optimizer(self.optimizer),
                self.record.state,
            )
            checkpoints.save(self.run, checkpoint, keep=training.checkpoints_kept)
        self.accelerator.wait_for_everyone()

    def _distributed(self, denoiser: PreconditionedDenoiser) -> Denoiser:
        if self.accelerator.num_processes == 1:  # spares seconds of imports that only several processes need
            return denoiser.to(self.accelerator.device)
        return self.accelerator.prepare(denoiser)

    def _load(self, checkpoint: checkpoints.Checkpoint) -> None:
        self.step = checkpoint.step
        self.denoiser.load_state_dict(checkpoint.denoiser.state_dict())
        if self.ema is not None and checkpoint.ema is not None:
            self.ema.load_state_dict(checkpoint.ema.state_dict())
        checkpoints.restore_optimizer(self.optimizer, checkpoint.optimizer)
        self.record.restore(checkpoint.loss_record)

    def _mean_over_processes(self, losses: torch.Tensor) -> torch.Tensor:
        if self.accelerator.num_processes == 1:
            return losses
        return self.accelerator.reduce(losses, reduction="mean")  # pyright: ignore[reportReturnType]

    def _circumstances(self) -> dict[str, Any]:
        return {
            "device": str(self.accelerator.device),
            "threads": torch.get_num_threads(),
            "precision": str(self.parameters[0].dtype).removeprefix("torch."),
            "n_processes": self.accelerator.num_processes,
        }
