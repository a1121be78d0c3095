"""Scores fitted to draws of a data set: how far off they are, where, and what that does to samples."""
