"""Regressions in the example shops, and what the plugin says of each: ``python -m examples.regressions``."""
