"""What holds for every request of a project: rules in a small language, and those for known traps."""
