"""What a workflow is made of, and runs side by side."""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.data.connection import session
from app.data.outages import lasting
from db import breakdown
from db.breakdown import CannotCompare
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries import runs


__all__ = ["Anatomy", "CannotCompare", "anatomy", "branches", "comparison", "scatter", "since_green", "slowdown"]


@dataclass(frozen=True)
class Anatomy:
    jobs: breakdown.Jobs
    steps: breakdown.Steps


@lasting
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def scatter(scope: Scope, window: Window, version: int) -> breakdown.Scatter:
    with session() as found:
        return breakdown.scatter(found, scope, window)


@lasting
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def branches(scope: Scope, window: Window, version: int) -> list[breakdown.BranchSeries]:
    with session() as found:
        return breakdown.branches(found, scope, window, limit=5)


@lasting
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def anatomy(repo: str, workflow_id: int, branch: str | None, window: Window, version: int) -> Anatomy:
    with session() as found:
        steps = breakdown.steps(found, repo, workflow_id, branch, window)
        # Of the same runs: what jobs and steps show of a change can be set beside each other.
        return Anatomy(breakdown.jobs(found, repo, workflow_id, branch, window, runs=max(steps.runs, 1)), steps)


@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def slowdown(
    repo: str, workflow_id: int, branch: str | None, window: Window, since: datetime, version: int
) -> breakdown.Slowdown:
    with session() as found:
        return breakdown.slowdown(found, repo, workflow_id, branch, window, since)


@lasting
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def since_green(run_id: int, version: int, *, jobs: bool = True) -> breakdown.SinceGreen | None:
    """`jobs` false: without the comparison of the jobs."""
    with session() as found:
        run = runs.get_run(found, run_id)
        return breakdown.since_green(found, run, jobs=jobs) if run else None


@lasting
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def comparison(run_ids: tuple[int, ...], version: int) -> breakdown.RunComparison:
    """Raises breakdown.CannotCompare."""
    with session() as found:
        return breakdown.compare_runs(found, run_ids)
