"""From gains at all noise levels to what is generated: samplers, tables, divergences."""
