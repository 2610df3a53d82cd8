"""A day of operation in accelerated time, with all faults at once: python -m tests.chaos.day."""
