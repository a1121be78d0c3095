"""Gain laws: what each kind of linear network has learned of one mode, each in a file of its own."""
