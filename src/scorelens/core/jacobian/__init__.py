"""The Jacobian of a denoiser at points, applied without being formed, however it can be differentiated."""

from scorelens.core.jacobian.at_points import FORMED_DIM, JacobianAt
from scorelens.core.jacobian.derivative_choice import WAYS, NotDifferentiableError
from scorelens.core.jacobian.precision import widened, working_dtype

__all__ = ["FORMED_DIM", "WAYS", "JacobianAt", "NotDifferentiableError", "widened", "working_dtype"]
