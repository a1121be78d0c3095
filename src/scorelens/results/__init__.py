"""Labelled results on disk: the configuration, the schema, the run folder, atomic storage (no torch here)."""

from scorelens.core.storage import StorageError
from scorelens.results.config import RunConfig
from scorelens.results.estimation import EstimateConfig, Estimation, Fit, is_estimation, refuse_unfinished
from scorelens.results.examination import Examination, is_examination
from scorelens.results.generalization import Generalization
from scorelens.results.kinds import kind_of
from scorelens.results.local_geometry import LocalGeometry
from scorelens.results.reproduction import Reproduction, is_reproduction
from scorelens.results.result_folder import ResultFolder
from scorelens.results.run import Run
from scorelens.results.zarr_group import CorruptMeasurement

__all__ = [
    "CorruptMeasurement",
    "EstimateConfig",
    "Estimation",
    "Examination",
    "Fit",
    "Generalization",
    "LocalGeometry",
    "Reproduction",
    "ResultFolder",
    "Run",
    "RunConfig",
    "StorageError",
    "is_estimation",
    "is_examination",
    "is_reproduction",
    "kind_of",
    "refuse_unfinished",
]
