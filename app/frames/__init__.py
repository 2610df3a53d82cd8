"""Dataclasses as frames for charts and tables."""

from app.frames.job_timeline import StepSpan, drawable, foremost, steps, timeline
from app.frames.run_points import by_branch, dots
from app.frames.tables import labels, ledger, queue_cells, spending
from app.frames.trends import axis, bucket_words, bucket_zone, clock_shift, heat, local_week, markers, place, series

__all__ = ["StepSpan", "axis", "bucket_words", "bucket_zone", "by_branch", "clock_shift", "dots", "drawable",
           "foremost", "heat", "labels", "ledger", "local_week", "markers", "place", "queue_cells", "series",
           "spending", "steps", "timeline"]  # fmt: skip
