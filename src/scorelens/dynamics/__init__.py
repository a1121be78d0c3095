"""Closed-form learning dynamics: gain laws, generated variance, emergence, power laws, calibration."""

from scorelens.dynamics.calibration import Calibration, StepForecast, calibrate, timing_sd
from scorelens.dynamics.convolution.autocovariance import (
    autocovariance,
    fourier_variance,
    power_autocovariance,
)
from scorelens.dynamics.convolution.offsets import square_patch
from scorelens.dynamics.convolution.patch import PatchConvolution
from scorelens.dynamics.convolution.patch_emergence import patch_emergence_time
from scorelens.dynamics.convolution.toeplitz import ToeplitzConvolution
from scorelens.dynamics.dose_fit import DoseFit, fit_dose
from scorelens.dynamics.emergence.local_exponent import LocalExponent, local_exponent
from scorelens.dynamics.emergence.measured_emergence import (
    MeasuredEmergence,
    emergence_step,
    published_emergence_step,
)
from scorelens.dynamics.emergence.power_law import EmergencePowerLaws, PowerLaw, fit_power_law, fit_power_laws
from scorelens.dynamics.emergence.times import (
    Emergence,
    emergence_time,
    gain_emergence_time,
    gray_zone,
    trajectory_emergence,
)
from scorelens.dynamics.gain_law import GainLaw, VarianceTrajectory
from scorelens.dynamics.generation.divergence import (
    kl_from_log_ratio,
    kl_per_mode,
    log_ratio_to_data,
    log_ratio_to_limit,
)
from scorelens.dynamics.generation.flow_sampler import FlowSampler
from scorelens.dynamics.generation.sampler import (
    ExactSampler,
    HeunSampler,
    Sampler,
    generated_variance_on_grid,
)
from scorelens.dynamics.generation.variance_table import log_variance_table
from scorelens.dynamics.laws.asymmetric_two_layer import AsymmetricTwoLayer
from scorelens.dynamics.laws.deep import DeepLinear
from scorelens.dynamics.laws.deep_residual import DeepResidual
from scorelens.dynamics.laws.flow_matching import FlowMatchingLaw
from scorelens.dynamics.laws.flow_one_layer import FlowOneLayer
from scorelens.dynamics.laws.flow_two_layer import FlowTwoLayer
from scorelens.dynamics.laws.full_convolution import FullConvolution, full_filter, full_filter_spectrum
from scorelens.dynamics.laws.infinite_depth import InfiniteDepth
from scorelens.dynamics.laws.loss_weight import (
    LevelWeight,
    LikelihoodWeight,
    LossWeight,
    NoiseWeight,
    PixelWeight,
    ScoreWeight,
    TargetWeight,
    UnitWeight,
    VelocityWeight,
    VWeight,
)
from scorelens.dynamics.laws.mode_scaling import Population
from scorelens.dynamics.laws.one_layer import OneLayer
from scorelens.dynamics.laws.preconditioned import PreconditionedOneLayer
from scorelens.dynamics.laws.relaxation import RelaxationLaw
from scorelens.dynamics.laws.residual import ResidualOneLayer
from scorelens.dynamics.laws.two_layer import SymmetricTwoLayer
from scorelens.dynamics.laws.unequal_layers import layer_values
from scorelens.dynamics.learning_curve import (
    LearningCurve,
    average_learning_curve,
    edm_weight,
    learning_curve,
)
from scorelens.dynamics.noise_density import NoiseDensity, fastest_density, least_error_density
from scorelens.dynamics.regression.gradient_descent import (
    Descent,
    Stability,
    gradient_descent,
    remaining_factors,
    stability,
)
from scorelens.dynamics.regression.linear_regression import (
    AffineMap,
    LinearRegression,
    regression_of_moments,
    regression_of_task,
)
from scorelens.dynamics.regression.ridge import RidgeProblem, ridge_problem
from scorelens.dynamics.regression.targets import TARGETS, DenoisingTask, RegressionMoments, denoising_task
from scorelens.dynamics.teaching import output_sensitivity, responsibility
from scorelens.dynamics.weights.covariance_flow import (
    GeneratedMoments,
    generated_covariance,
    generated_moments,
)
from scorelens.dynamics.weights.data_modes import DataModes
from scorelens.dynamics.weights.dense_one_layer import DenseOneLayer
from scorelens.dynamics.weights.phase_portrait import PhasePortrait, phase_portrait
from scorelens.dynamics.weights.secular import Eigensystem, moment_eigensystem
from scorelens.dynamics.weights.single_mode import ModePoint, SingleMode
from scorelens.dynamics.weights.spectral_matrix import SpectralMatrixLaw
from scorelens.dynamics.weights.two_layer_overlaps import TwoLayerOverlaps, overlap_growth_rate
from scorelens.dynamics.weights.weight_law import WeightLaw

__all__ = [
    "ALL",
    "TARGETS",
    "WEIGHT_LAWS",
    "AffineMap",
    "AsymmetricTwoLayer",
    "Calibration",
    "DataModes",
    "DeepLinear",
    "DeepResidual",
    "DenoisingTask",
    "DenseOneLayer",
    "Descent",
    "DoseFit",
    "Eigensystem",
    "Emergence",
    "EmergencePowerLaws",
    "ExactSampler",
    "FlowMatchingLaw",
    "FlowOneLayer",
    "FlowSampler",
    "FlowTwoLayer",
    "FullConvolution",
    "GainLaw",
    "GeneratedMoments",
    "HeunSampler",
    "InfiniteDepth",
    "LearningCurve",
    "LevelWeight",
    "LikelihoodWeight",
    "LinearRegression",
    "LocalExponent",
    "LossWeight",
    "MeasuredEmergence",
    "ModePoint",
    "NoiseDensity",
    "NoiseWeight",
    "OneLayer",
    "PatchConvolution",
    "PhasePortrait",
    "PixelWeight",
    "Population",
    "PowerLaw",
    "PreconditionedOneLayer",
    "RegressionMoments",
    "RelaxationLaw",
    "ResidualOneLayer",
    "RidgeProblem",
    "Sampler",
    "ScoreWeight",
    "SingleMode",
    "SpectralMatrixLaw",
    "Stability",
    "StepForecast",
    "SymmetricTwoLayer",
    "TargetWeight",
    "ToeplitzConvolution",
    "TwoLayerOverlaps",
    "UnitWeight",
    "VWeight",
    "VarianceTrajectory",
    "VelocityWeight",
    "WeightLaw",
    "autocovariance",
    "average_learning_curve",
    "calibrate",
    "denoising_task",
    "edm_weight",
    "emergence_step",
    "emergence_time",
    "fastest_density",
    "fit_dose",
    "fit_power_law",
    "fit_power_laws",
    "fourier_variance",
    "full_filter",
    "full_filter_spectrum",
    "gain_emergence_time",
    "generated_covariance",
    "generated_moments",
    "generated_variance_on_grid",
    "gradient_descent",
    "gray_zone",
    "kl_from_log_ratio",
    "kl_per_mode",
    "layer_values",
    "learning_curve",
    "least_error_density",
    "local_exponent",
    "log_ratio_to_data",
    "log_ratio_to_limit",
    "log_variance_table",
    "moment_eigensystem",
    "output_sensitivity",
    "overlap_growth_rate",
    "patch_emergence_time",
    "phase_portrait",
    "power_autocovariance",
    "published_emergence_step",
    "regression_of_moments",
    "regression_of_task",
    "remaining_factors",
    "responsibility",
    "ridge_problem",
    "square_patch",
    "stability",
    "timing_sd",
    "trajectory_emergence",
]

ALL: tuple[type[GainLaw], ...] = (
    OneLayer,
    PreconditionedOneLayer,
    ResidualOneLayer,
    SymmetricTwoLayer,
    AsymmetricTwoLayer,
    FullConvolution,
    DeepLinear,
    InfiniteDepth,
    DeepResidual,
    FlowOneLayer,
    FlowTwoLayer,
)
"""Every gain law; registering a member here buys the whole contract battery."""

WEIGHT_LAWS: tuple[type[WeightLaw], ...] = (
    DenseOneLayer,
    PatchConvolution,
    ToeplitzConvolution,
    SpectralMatrixLaw,
    TwoLayerOverlaps,
)
"""Every law of whole weight matrices; registering a member here buys the whole contract battery."""
