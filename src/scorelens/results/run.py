"""The run folder: configuration, environment, checkpoints, measurements; all else is made from it."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, final

import xarray as xr
from pydantic import ValidationError

from scorelens.core import checks, storage
from scorelens.results import environment, schema, zarr_group
from scorelens.results.config import RunConfig
from scorelens.results.dataset_store import DatasetStore, check_name, encoded
from scorelens.results.result_folder import what_is_wrong
from scorelens.results.zarr_group import CorruptMeasurement

_STEP = re.compile(r"\d{8,}")


@final
@dataclass(frozen=True)
class Run:
    """A run folder on disk, made by `Run.create` or opened by `Run.open`.

    Every write is atomic: a process killed at any instant leaves a folder that can be resumed and reported.

    >>> import tempfile
    >>> run = Run.create(tempfile.mkdtemp(), RunConfig(seed=3))
    >>> loss = xr.Dataset({"loss": ((), 1.5, {"long_name": "loss", "units": "1"})})
    >>> run.write_measurement(0, {"loss": loss})
    >>> Run.open(run.path).measurement("loss").loss.values
    array([1.5])
    """

    path: Path
    config: RunConfig

    @classmethod
    def create(cls, path: str | Path, config: RunConfig, *, resume: bool = False) -> Run:
        """Make a run folder, or with ``resume`` go on with the run that ``path`` holds (if any).

        Raises ``ValueError`` if ``path`` holds something else, or a run and ``resume`` is false, or a run of
        another configuration; `StorageError` if it cannot be written.
        """
        path = Path(path)
        if (path / "config.json").exists():
            return cls._continued(path, config, resume)
        if path.is_file() or (path.is_dir() and any(not storage.is_partial(p) for p in path.iterdir())):
            raise ValueError(f"{path} exists and is not a run folder; choose a new or empty folder (--out)")
        storage.write_text(path / "config.json", config.model_dump_json(indent=1) + "\n")
        run = cls(path, config)
        run._prepare()
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder; raises ``ValueError`` if ``path`` is none or its config is damaged."""
        path = Path(path)
        file = path / "config.json"
        if not file.is_file():
            found = "holds no config.json" if path.is_dir() else "does not exist"
            raise ValueError(
                f"{path} {found}; give a run folder, as `scorelens study --out FOLDER` makes one"
            )
        try:
            return cls(path, RunConfig.model_validate_json(file.read_bytes()))
        except ValidationError as error:
            raise ValueError(
                f"{file} is not a valid configuration: {what_is_wrong(error)}; "
                "restore the file, or make the run again in another folder"
            ) from error

    @classmethod
    def _continued(cls, path: Path, config: RunConfig, resume: bool) -> Run:
        if not resume:
            raise ValueError(
                f"{path} holds a run already; go on with it (--resume) or choose another (--out)"
            )
        run = cls.open(path)
        if run.config != config:
            raise ValueError(
                f"{path} holds a run of another configuration ({_difference(run.config, config)}); "
                "resume it with the same arguments, or choose another folder (--out)"
            )
        run.remove_leftovers()
        run._prepare()
        return run

    def _prepare(self) -> None:
        for folder in (self._measurements, self._datasets.folder):
            DatasetStore(folder).prepare()
        if not self.environment:
            self.record_environment()

    def remove_leftovers(self) -> None:
        """Delete what a killed process left half written; call it only while no other process writes."""
        for folder in (self.path, self._measurements, self._datasets.folder, self.checkpoint_folder):
            storage.remove_partial(folder)

    @property
    def spectrum_path(self) -> Path:
        """File of the data's spectrum."""
        return self.path / "spectrum.safetensors"

    @property
    def fourier_path(self) -> Path:
        """File of the Fourier spectrum of images; only laws of convolutions need it."""
        return self.path / "fourier.safetensors"

    @property
    def report_path(self) -> Path:
        """File of the report."""
        return self.path / "report.html"

    @property
    def checkpoint_folder(self) -> Path:
        """Folder of all checkpoints, one subfolder per step."""
        return self.path / "checkpoints"

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Steps that have a checkpoint, ascending (whole or damaged: that shows when one is loaded)."""
        return _steps(self.checkpoint_folder)

    def checkpoint_path(self, step: int) -> Path:
        """Folder of the checkpoint of ``step``."""
        return self.checkpoint_folder / f"{step:08d}"

    @property
    def finished(self) -> bool:
        """Whether the checkpoint of the last step is there."""
        return self.config.training.steps in self.checkpoints

    @property
    def environment(self) -> dict[str, Any]:
        """What the run was made with, as recorded; empty if nothing was recorded."""
        file = self.path / "environment.json"
        if not file.exists():
            return {}
        try:
            return json.loads(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{file} is damaged; delete it, the run can be resumed and reported") from error

    def record_environment(self, **details: Any) -> None:
        """Record the present environment with ``details`` (device, threads, precision).

        What the run began with is kept; a different later one is added under ``resumed_in``.
        """
        now, recorded = environment.describe() | details, self.environment
        resumed = recorded.pop("resumed_in", [])
        if all(now.get(key) == value for key, value in recorded.items()):
            recorded = now
        elif now not in resumed:
            resumed.append(now)
        content = recorded | ({"resumed_in": resumed} if resumed else {})
        storage.write_text(self.path / "environment.json", json.dumps(content, indent=1) + "\n")

    # -- measurements: one group per step, one subgroup per instrument

    def write_measurement(self, step: int, measured: Mapping[str, xr.Dataset]) -> None:
        """Store what instruments ``measured`` at ``step`` (name -> Dataset without ``step``), by one rename.

        Raises ``ValueError`` if the step was measured before or a Dataset breaks the schema; `StorageError`
        if it cannot be written.
        """
        checks.non_negative("step", step)
        folder = self._measurements / f"{step:08d}"
        if folder.exists():
            raise ValueError(f"step {step} is measured already in {folder}; discard_after({step - 1}) first")
        files = {zarr_group.FILE: zarr_group.group_file({"step": step, "instruments": sorted(measured)})}
        for name, dataset in measured.items():
            check_name("instrument", name)
            if "step" in dataset.variables or "step" in dataset.dims:
                raise ValueError(f"measurement {name!r} has the dimension 'step'; the run adds it, drop it")
            files.update({f"{name}/{file}": content for file, content in encoded(dataset).items()})
        storage.write_folder(folder, files)

    @property
    def measured_steps(self) -> tuple[int, ...]:
        """Steps that have a measurement, ascending."""
        return _steps(self._measurements)

    def measurement_names(self) -> tuple[str, ...]:
        """Names of all instruments that measured at any step, sorted; damaged steps are passed over."""
        names: set[str] = set()
        for step in self.measured_steps:
            try:
                names.update(self._instruments(step))
            except CorruptMeasurement:
                continue
        return tuple(sorted(names))

    def measurement(self, name: str, *, on_corrupt: Literal["raise", "warn"] = "raise") -> xr.Dataset:
        """All measurements of the instrument ``name``, concatenated along ``step``.

        A damaged step raises `CorruptMeasurement`, naming the file and the remedy; with ``on_corrupt="warn"``
        it is left out with a ``RuntimeWarning`` of the same text. Raises ``ValueError`` for an unknown name.
        """
        checks.choice("on_corrupt", on_corrupt, ("raise", "warn"))
        parts = []
        for step in self.measured_steps:
            try:
                if name in self._instruments(step):
                    dataset = zarr_group.decode(self._measurements / f"{step:08d}" / name)
                    parts.append(dataset.expand_dims(step=[step]))
            except CorruptMeasurement as error:
                if on_corrupt == "raise":
                    raise
                warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
        if not parts:
            self._refuse_missing(name)
        return schema.labelled(_concatenated(parts))

    def _refuse_missing(self, name: str) -> NoReturn:
        known = self.measurement_names()
        if known:
            checks.choice("measurement", name, known)
        raise ValueError(f"{self.path} holds no readable measurement {name!r}; train or resume the run first")

    def discard_after(self, step: int) -> None:
        """Delete the measurements of all steps later than ``step``; ``-1`` deletes all."""
        for later in self.measured_steps:
            if later > step:
                storage.remove(self._measurements / f"{later:08d}")

    # -- results without steps (the forecast)

    def write_dataset(self, name: str, dataset: xr.Dataset) -> None:
        """Store a Dataset that does not belong to a step, replacing an older one of that name."""
        self._datasets.write(name, dataset)

    def dataset(self, name: str) -> xr.Dataset:
        """The Dataset ``name``; raises ``ValueError`` if there is none, `CorruptMeasurement` if damaged."""
        if not self.dataset_names():
            raise ValueError(f"{self.path} holds no dataset; make the run again (scorelens study)")
        return self._datasets.read(name)

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the stored Datasets, sorted."""
        return self._datasets.names()

    @property
    def _measurements(self) -> Path:
        return self.path / "measurements.zarr"

    @property
    def _datasets(self) -> DatasetStore:
        return DatasetStore(self.path / "datasets.zarr")

    def _instruments(self, step: int) -> list[str]:
        folder = self._measurements / f"{step:08d}"
        names = zarr_group.read_metadata(folder)["attributes"].get("instruments")
        if not isinstance(names, list):
            raise CorruptMeasurement(folder / zarr_group.FILE, "does not list its instruments")
        return names


def _concatenated(parts: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(
        parts, dim="step", data_vars="all", coords="minimal", compat="override", join="exact",
        combine_attrs="override",
    )  # fmt: skip


def _steps(folder: Path) -> tuple[int, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(int(p.name) for p in folder.iterdir() if _STEP.fullmatch(p.name)))


def _difference(old: RunConfig, new: RunConfig) -> str:
    """The first field in which two configurations differ, as ``training.steps: 100, now 200``."""
    before, after = _flat(old.model_dump()), _flat(new.model_dump())
    field = next(key for key in before | after if before.get(key) != after.get(key))
    return f"{field}: {before.get(field)}, now {after.get(field)}"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return leaves
