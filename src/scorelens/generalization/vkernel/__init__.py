"""What the variance of a fitted score adds to what is generated: the V kernel in its three readings.

``SharedKernel``: weights shared over all times (A). ``TimeBinned``: independent fits per step (B).
``ProportionalKernel``: as many features as a share of the samples (C). Formulas of the early text that do not
hold are in `as_printed`.
"""

from __future__ import annotations

from scorelens.generalization.validity import (
    Kernel,
    OutsideLeadingOrder,
    Status,
    Validity,
    finite_sample_correction,
    validity,
    warn_outside,
)
from scorelens.generalization.vkernel.all_steps import (
    POINT_FACTOR,
    SMOOTH_FACTOR,
    AddedCovariance,
    added_covariance,
    earlier_steps_factor,
    score_jacobian,
)
from scorelens.generalization.vkernel.proportional import ProportionalKernel, proportional_factor
from scorelens.generalization.vkernel.shared import SharedKernel
from scorelens.generalization.vkernel.smeared import SmearedLaw, gaussian_characteristic_function
from scorelens.generalization.vkernel.time_binned import ORDERS, Order, TimeBinned, euler_times, noise_share

__all__ = [
    "ORDERS",
    "POINT_FACTOR",
    "SMOOTH_FACTOR",
    "AddedCovariance",
    "Kernel",
    "Order",
    "OutsideLeadingOrder",
    "ProportionalKernel",
    "SharedKernel",
    "SmearedLaw",
    "Status",
    "TimeBinned",
    "Validity",
    "added_covariance",
    "earlier_steps_factor",
    "euler_times",
    "finite_sample_correction",
    "gaussian_characteristic_function",
    "noise_share",
    "proportional_factor",
    "score_jacobian",
    "validity",
    "warn_outside",
]
