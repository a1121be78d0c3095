"""Leading 32 eigenpairs of the Jacobian of networks on 32 x 32 x 3 events, against forming the Jacobian.

The networks are trained briefly on Gaussian images with a power-law spectrum, at noise levels around 1. The
alternative is the fastest of two ways to form the Jacobian (reverse passes over blocks of rows, and
`torch.func.jacrev`), with the eigenvalues taken from it for nothing. Seconds are CPU seconds. Run with
OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.spectrum import krylov_spectrum

EVENT = (3, 32, 32)
DIM = 3072
N_MODES = 32
T = TypeVar("T")


class Preconditioned(nn.Module):
    """``x / t^2 + sigma / t F(x / t, log sigma)``, ``t^2 = 1 + sigma^2``: for data of std 1."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = sigma.reshape(-1, 1, 1, 1)
        total = (1 + level**2).sqrt()
        noise = (level.log() / 4).expand(-1, 1, *EVENT[1:])
        return x / total**2 + level / total * self.body(torch.cat([x / total, noise], 1))


class Convolutions(nn.Module):
    """Three resolutions with skips, 16 to 32 channels."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.fine = nn.Conv2d(4, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1, stride=2)
        self.coarse = nn.Conv2d(width, 2 * width, 3, padding=1, stride=2)
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.joined = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        def doubled(t: Tensor) -> Tensor:
            return nn.functional.interpolate(t, scale_factor=2)

        act = nn.functional.silu
        fine = act(self.fine(x))
        middle = act(self.middle(fine))
        up = act(self.up(doubled(act(self.coarse(middle)))))
        joined = act(self.joined(torch.cat([up, middle], 1)))
        return self.out(torch.cat([doubled(joined), fine], 1))


def perceptron(width: int = 256) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(4 * 1024, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, DIM),
        nn.Unflatten(1, EVENT),
    )


def images(n: int, draws: torch.Generator) -> Tensor:
    """Gaussian images of unit variance whose amplitude falls as frequency^-1.5."""
    frequency = torch.fft.fftfreq(32)
    radius = (frequency[:, None] ** 2 + frequency**2).sqrt().clamp_min(1 / 32)
    amplitude = radius**-1.5
    amplitude /= amplitude.square().mean().sqrt()
    return torch.fft.ifft2(torch.fft.fft2(torch.randn(n, *EVENT, generator=draws)) * amplitude).real


def trained(body: nn.Module, n_steps: int, batch: int) -> nn.Module:
    draws = torch.Generator().manual_seed(1)
    network = Preconditioned(body)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(n_steps):
        clean = images(batch, draws)
        sigma = torch.exp(torch.randn(batch, generator=draws))
        noisy = clean + sigma.reshape(-1, 1, 1, 1) * torch.randn(clean.shape, generator=draws)
        errors = (network(noisy, sigma) - clean).square().mean((1, 2, 3))
        loss = (errors * (1 + sigma**2) / sigma**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def timed(function: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def measure(name: str, network: nn.Module, sigma: float, block: int = 16, tolerance: float = 1e-2) -> None:
    draws = torch.Generator().manual_seed(2)
    clean = images(1, draws)
    x = clean + sigma * torch.randn(clean.shape, generator=draws)
    network.eval()

    def iterated():
        return krylov_spectrum(JacobianAt(network, x, sigma), N_MODES, tolerance=tolerance, block=block)

    def formed():
        return JacobianAt(network, x, sigma).full()[0]

    def by_torch():
        level = torch.full((1,), sigma)
        for weight in network.parameters():
            weight.requires_grad_(False)
        jacobian = torch.func.jacrev(
            lambda flat: network(flat.reshape(1, *EVENT), level).flatten(), chunk_size=64
        )
        return jacobian(x.flatten()).detach()

    found, seconds = timed(iterated)
    full, ours = timed(formed)
    other, theirs = timed(by_torch)
    torch.testing.assert_close(full, other, rtol=1e-3, atol=1e-4)
    exact = torch.linalg.eigvalsh(((full + full.T) / 2).double()).flip(0)[:N_MODES]
    error = float(((found.eigenvalues[0] - exact) / exact).abs().max())
    print(
        f"| {name} | {sigma:g} | {block} | {tolerance:g} | {found.n_applied} | {seconds:.2f} | "
        f"{min(ours, theirs):.2f} | {min(ours, theirs) / seconds:.1f} | {error:.1e} | "
        f"{float((found.errors / found.eigenvalues).max()):.1e} | {found.status[0]} | "
        f"{float(found.asymmetry.ratio):.2f} |",
        flush=True,
    )


def main() -> None:
    torch.manual_seed(0)
    networks = {
        "perceptron": trained(perceptron(), 300, 64),
        "convolutions, 16 channels": trained(Convolutions(), 300, 16),
        "convolutions, 48 channels": trained(Convolutions(48), 250, 16),
    }
    print(
        "| network | sigma | block | tolerance | directions | seconds | formed, seconds | ratio | error "
        "| bound | status | asymmetry |"
    )
    print("| --- " * 12 + "|")
    for name, network in networks.items():
        for sigma in (0.3, 1.0, 3.0, 10.0):
            measure(name, network, sigma)


if __name__ == "__main__":
    main()
