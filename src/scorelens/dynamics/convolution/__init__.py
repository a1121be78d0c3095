"""Learning dynamics of convolutional denoisers: local filters, circular and zero-padded."""
