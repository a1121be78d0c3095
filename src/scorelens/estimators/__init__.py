"""Closed-form score estimators: data in, a Denoiser out, without training."""
