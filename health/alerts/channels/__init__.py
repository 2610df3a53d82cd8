"""Channels that a message can go out by. Knows nothing of runs or rules."""
