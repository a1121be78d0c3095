"""Mixtures of low-rank Gaussians (MoLRG): how many samples it takes to find their subspaces."""
