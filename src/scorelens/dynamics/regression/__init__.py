"""Denoising as linear regression: targets, optimum, ridge form, gradient flow and gradient descent."""
