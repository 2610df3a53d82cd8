"""Benchmark of detectors on simulated data: false alarms, and delay and power of detection, evaluated once a day."""
