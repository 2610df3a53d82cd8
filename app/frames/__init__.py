"""Dataclasses as frames for charts and tables."""

from app.frames.anatomy import steps, timeline
from app.frames.dots import by_branch, dots
from app.frames.tables import ledger
from app.frames.trends import axis, bucket_zone, heat, local_week, place, series

__all__ = [
    "axis",
    "bucket_zone",
    "by_branch",
    "dots",
    "heat",
    "ledger",
    "local_week",
    "place",
    "series",
    "steps",
    "timeline",
]
