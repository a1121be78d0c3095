"""What the variance of a score estimate does, and where a model memorises its training data."""
