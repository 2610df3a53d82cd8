"""Detectors of what needs a person. Pure: they take facts and give findings; docs/metrics.md names their sources."""
