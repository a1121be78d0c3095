"""The local geometry of a denoiser at a few held-out points, watched through training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import torch
import xarray as xr

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import stream_seed
from scorelens.core.jacobian.derivative_choice import NotDifferentiableError
from scorelens.instruments.base import Instrument
from scorelens.instruments.measured_geometry import LOCKSTEP, measure_geometry
from scorelens.instruments.probes import Probes
from scorelens.instruments.settings import sigma_data

if TYPE_CHECKING:
    from scorelens.core.spectrum import Spectrum
    from scorelens.data import Data
    from scorelens.results.config import RunConfig

#: Held-out points, eigenpairs of each, and random probes where not all eigenpairs are known.
POINTS, MODES, PROBES = 3, 8, 4
#: Noise levels, in units of the data's scale: structure stands out of the noise around it.
LEVELS = (0.1, 0.5, 2.0)
#: Residual of an eigenpair that is good enough to be looked at; its eigenvalue is far better.
TOLERANCE = 0.02
#: Passes of the iteration: what is not found by then is marked as such.
PASSES = 5


@final
@dataclass(frozen=True, eq=False)
class Geometry(Instrument):
    """What the denoiser keeps of ``points (p, *event)``, float32, at ``sigmas``, and along which directions.

    The variables are those of `measure_geometry`; coefficients and offsets are about ``center``.
    """

    points: np.ndarray
    sigmas: np.ndarray
    center: np.ndarray
    n_modes: int = MODES
    seed: int = 0
    name: ClassVar[str] = "geometry"
    title: ClassVar[str] = "Local geometry of the denoiser"
    reference: ClassVar[str] = "kadkhodaie2024; kamkari2024, Sec. 3"

    @classmethod
    def for_run(cls, train: Data, held_out: Data, spectrum: Spectrum, config: RunConfig) -> Geometry:
        probes = Probes.choose(held_out, POINTS, config.seed, "geometry")
        reach = config.sampler.sigma_min, config.sampler.sigma_max
        sigmas = np.unique(np.clip(np.array(LEVELS) * sigma_data(spectrum, config), *reach))
        seed = stream_seed(config.seed, "geometry")
        chosen = held_out[probes.indices]
        return cls(chosen, sigmas, spectrum.mean, min(MODES, train.dim), seed)

    def _measure(self, denoiser: Denoiser) -> xr.Dataset:
        try:
            # Two reverse passes cost a third of dual numbers through layer norms, and no trial of those.
            return self._differentiated(denoiser, "reverse")
        except NotDifferentiableError:
            return self._differentiated(denoiser, "auto")

    def _differentiated(self, denoiser: Denoiser, way: str) -> xr.Dataset:
        return measure_geometry(
            denoiser,
            torch.from_numpy(self.points),
            self.sigmas,
            self.n_modes,
            seed=self.seed,
            center=torch.from_numpy(self.center).float(),
            n_probes=PROBES,
            tolerance=TOLERANCE,
            way=way,
            method=LOCKSTEP,
            max_passes=PASSES,
        )
