"""When modes emerge: thresholds, first crossings, measured steps, and the power laws between them."""
