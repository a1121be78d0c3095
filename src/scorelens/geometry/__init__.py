"""The local structure of any Denoiser: Jacobian spectrum, posterior, risk, dimension."""
