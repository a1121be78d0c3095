"""Samples of a denoiser from fixed noise, in batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import device_of, finite, generator, normal_batches
from scorelens.instruments.sitting import shared
from scorelens.sampling import sample

#: Every instrument that generates starts from this stream, so that they speak of the same samples.
STREAM = "generated samples"


def generated(
    denoiser: Denoiser, n: int, event_shape: tuple[int, ...], sigmas: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches ``(noise, samples)`` of ``n`` samples by Heun's method on ``sigmas`` (descending).

    Both are ``(b, *event)`` in float32; the noise is standard normal and starts the sampler. The first ``m``
    samples are the same whatever ``n`` is. Raises ``ValueError`` if a sample is not finite.
    """

    def samples() -> Tensor:
        made = sample(denoiser, noise.to(device_of(denoiser)), sigmas)
        return finite(made, "a generated sample").to("cpu", torch.float32)

    facts = (STREAM, id(denoiser), event_shape, sigmas.tobytes(), seed)
    for number, noise in enumerate(normal_batches(n, event_shape, generator(seed, STREAM))):
        yield noise.numpy(), shared((*facts, number), len(noise), samples).numpy()
