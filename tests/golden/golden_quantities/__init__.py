"""What each model and quantity of the golden files is in the library."""

from __future__ import annotations

from golden_quantities import (
    convolution,
    estimation,
    estimators,
    flow,
    generalization,
    geometry,
    layers,
    objectives,
    one_layer,
    preconditioned,
    regression,
)

ROOMS = (
    one_layer,
    preconditioned,
    regression,
    layers,
    convolution,
    flow,
    estimation,
    objectives,
    estimators,
    generalization,
    geometry,
)
TABLE = {
    (model, quantity): function
    for room in ROOMS
    for model, quantities in room.MODELS.items()
    for quantity, function in quantities.items()
}
