"""Dataclasses as frames for charts and tables."""

from app.frames.anatomy import StepSpan, drawable, foremost, steps, timeline
from app.frames.dots import by_branch, dots
from app.frames.markers import markers
from app.frames.tables import ledger
from app.frames.trends import axis, bucket_words, bucket_zone, clock_shift, heat, local_week, place, series
from app.frames.usage import labels, queue_cells, spending

__all__ = ["StepSpan", "axis", "bucket_words", "bucket_zone", "by_branch", "clock_shift", "dots", "drawable",
           "foremost", "heat", "labels", "ledger", "local_week", "markers", "place", "queue_cells", "series",
           "spending", "steps", "timeline"]  # fmt: skip
