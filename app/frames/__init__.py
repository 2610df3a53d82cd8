"""Data frames for charts, made from the dataclasses of the domain."""

from app.frames.buckets import Buckets, buckets
from app.frames.causes import runs_by_class
from app.frames.cost import queue_cells, runner_labels, spending
from app.frames.job_timeline import StepSpan, drawable, select_jobs, steps, timeline
from app.frames.run_points import by_branch, run_points
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

__all__ = [
    "Buckets",
    "StepSpan",
    "axis",
    "axis_time",
    "bucket_text",
    "bucket_zone",
    "buckets",
    "by_branch",
    "clock_shift",
    "drawable",
    "heatmap",
    "local_week",
    "markers",
    "queue_cells",
    "run_points",
    "runner_labels",
    "runs_by_class",
    "select_jobs",
    "series",
    "spending",
    "steps",
    "timeline",
]
