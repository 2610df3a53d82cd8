"""Channels by which notifications are sent. They know messages, not runs or rules."""
