"""The command line: parse, call a study, say where the result lies."""
