"""What fires, and what can be done about it."""
