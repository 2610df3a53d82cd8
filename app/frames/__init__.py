"""Dataclasses as frames for charts and tables."""

from app.frames.job_timeline import StepSpan, drawable, select_jobs, steps, timeline
from app.frames.run_points import by_branch, run_points
from app.frames.tables import ledger, queue_cells, runner_labels, spending
from app.frames.trends import (
    axis,
    axis_time,
    bucket_text,
    bucket_zone,
    clock_shift,
    heatmap,
    local_week,
    markers,
    series,
)

__all__ = ["StepSpan", "axis", "bucket_text", "bucket_zone", "by_branch", "clock_shift", "run_points", "drawable",
           "select_jobs", "heatmap", "runner_labels", "ledger", "local_week", "markers", "axis_time", "queue_cells", "series",
           "spending", "steps", "timeline"]  # fmt: skip
