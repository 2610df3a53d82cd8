"""Logs for the viewer: lines with times, colours and groups; windows of lines; search."""
