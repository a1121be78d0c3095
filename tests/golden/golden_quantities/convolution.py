"""Convolutions: full-width, local, and zero-padded."""

from __future__ import annotations

import numpy as np

from golden_quantities.params import Params, Quantities, flow_time, sampling_range
from scorelens import dynamics


def _grid(p: Params) -> tuple[int, ...]:
    return tuple(p.get("grid", [len(p["Sigma"])]))


def _shift(p: Params) -> np.ndarray:
    return dynamics.autocovariance(np.array(p["Sigma"]), _grid(p))


def _power(p: Params) -> np.ndarray:
    return dynamics.fourier_variance(_shift(p))


def _filter(p: Params) -> np.ndarray:
    return np.array(p["w0"]).reshape(_grid(p))


def _full_spectrum(p: Params) -> np.ndarray:
    return dynamics.full_filter_spectrum(_filter(p), _power(p), p["sigma"], flow_time(p)).real.ravel()


def _full_law(p: Params) -> dynamics.FullConvolution:
    start = np.fft.fftn(_filter(p)).real.ravel()
    return dynamics.FullConvolution(start.size, dynamics.OneLayer(start))


def _two_layer_spectrum(p: Params) -> np.ndarray:
    start = np.abs(np.fft.fftn(_filter(p)).ravel()) ** 2
    law = dynamics.FullConvolution(start.size, dynamics.SymmetricTwoLayer(start))
    return law.gain(_power(p).ravel(), p["sigma"] ** 2, flow_time(p))


def _patch(p: Params) -> dynamics.PatchConvolution:
    return dynamics.PatchConvolution(_shift(p), p["offsets"], p.get("w0"))


def _toeplitz(p: Params) -> dynamics.ToeplitzConvolution:
    return dynamics.ToeplitzConvolution(np.array(p["Sigma"]), p["offsets"], p.get("w0"))


MODELS: dict[str, Quantities] = {
    "conv_full": {
        "fourier_var": lambda p: _power(p).ravel(),
        "filter_at": lambda p: dynamics.full_filter(_filter(p), _power(p), p["sigma"], flow_time(p)).ravel(),
        "spectrum_at": _full_spectrum,
        "gen_var_spectrum": lambda p: _full_law(p).generated_variance(
            _power(p).ravel(), flow_time(p), *sampling_range(p)
        ),
    },
    "conv_full_two_layer": {"spectrum_at": _two_layer_spectrum},
    "conv_patch": {
        "patch_cov": lambda p: _patch(p).patch_covariance,
        "filter_opt": lambda p: _patch(p).limit(p["sigma"]),
        "filter_at": lambda p: _patch(p).parameters(p["sigma"], flow_time(p)),
        "gen_var_spectrum": lambda p: _patch(p).generated_variance(flow_time(p), *sampling_range(p)).ravel(),
    },
    "toeplitz": {
        "T_matrix": lambda p: _toeplitz(p).moment(p["sigma"]),
        "filter_opt": lambda p: _toeplitz(p).limit(p["sigma"]),
        "filter_at": lambda p: _toeplitz(p).parameters(p["sigma"], flow_time(p)),
        "gen_cov": lambda p: _toeplitz(p).generated_covariance(flow_time(p), *sampling_range(p)),
    },
}
