"""What scripts/bench measures with. Python's standard library only."""
