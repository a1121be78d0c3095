"""scorelens: what a score-based model will learn, has learned and has memorised."""

__version__ = "0.1.0"
