"""Fitted denoisers that are built around a user's network, which no file can hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scorelens.estimators.base import FittedDenoiser


class AroundNetwork(FittedDenoiser):
    """A fitted denoiser whose constructor also takes ``network``: its code; its numbers are buffers here."""

    @classmethod
    @abstractmethod
    def refuse_another(
        cls, network: torch.nn.Module, buffers: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> None:
        """``ValueError`` unless ``network`` has the parameters of the one that was fitted around."""
