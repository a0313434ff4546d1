"""What observing costs, as ratios that are taken in turns in one process: `python -m benchmarks`."""
