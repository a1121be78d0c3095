"""Special functions, quadrature and interpolation that keep their digits."""
