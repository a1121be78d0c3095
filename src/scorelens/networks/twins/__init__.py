"""Trainable twins of the laws of learning: train them, and they follow the closed forms."""

from scorelens.networks.twins.base import Affine, Twin
from scorelens.networks.twins.convolution import (
    CircularTwin,
    FullConvolutionTwin,
    PatchConvolutionTwin,
    TwoLayerConvolutionTwin,
)
from scorelens.networks.twins.deep import DeepLinearTwin, DeepResidualTwin
from scorelens.networks.twins.dense import DenseTwin
from scorelens.networks.twins.flow import FlowOneLayerTwin, FlowTwin, FlowTwoLayerTwin
from scorelens.networks.twins.one_layer import OneLayerTwin, ResidualOneLayerTwin
from scorelens.networks.twins.toeplitz import ToeplitzConvolutionTwin
from scorelens.networks.twins.two_layer import AsymmetricTwoLayerTwin, SymmetricTwoLayerTwin

__all__ = [
    "ALL",
    "Affine",
    "AsymmetricTwoLayerTwin",
    "CircularTwin",
    "DeepLinearTwin",
    "DeepResidualTwin",
    "DenseTwin",
    "FlowOneLayerTwin",
    "FlowTwin",
    "FlowTwoLayerTwin",
    "FullConvolutionTwin",
    "OneLayerTwin",
    "PatchConvolutionTwin",
    "ResidualOneLayerTwin",
    "SymmetricTwoLayerTwin",
    "ToeplitzConvolutionTwin",
    "Twin",
    "TwoLayerConvolutionTwin",
]

ALL: tuple[type[Twin], ...] = (
    OneLayerTwin,
    ResidualOneLayerTwin,
    SymmetricTwoLayerTwin,
    AsymmetricTwoLayerTwin,
    DeepLinearTwin,
    DeepResidualTwin,
    FullConvolutionTwin,
    TwoLayerConvolutionTwin,
    PatchConvolutionTwin,
    ToeplitzConvolutionTwin,
    FlowOneLayerTwin,
    FlowTwoLayerTwin,
)
"""Every twin; registering a member here buys the whole contract battery."""
