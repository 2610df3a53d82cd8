"""Lists of runs, and one run with its attempts, jobs and logs."""

from dataclasses import dataclass

import streamlit as st

from app.data.connection import clock, session, writing
from app.data.outages import lasting
from db import analytics
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries import logs, runs
from db.store.logs import request_logs

_PAGE = 50


@dataclass(frozen=True)
class RunDetail:
    """A run and one of its attempts, whose jobs are without their steps: there may be thousands."""

    run: runs.RunRow
    attempts: list[runs.AttemptRow]
    jobs: list[runs.JobSummary]


@lasting
@st.cache_resource(ttl=60, max_entries=256, show_spinner=False)
def run_page(scope: Scope, window: Window, text: str, cursor: str | None, version: int) -> tuple[runs.RunPage, int]:
    """A page of runs, and how many there are in all."""
    with session() as found:
        page = runs.list_runs(found, scope, window, limit=_PAGE, cursor=cursor, text=text)
        return page, analytics.count_runs(found, scope, window, text=text)


@lasting
@st.cache_resource(ttl=5, max_entries=16, show_spinner=False)
def run_detail(run_id: int, attempt: int | None, version: int) -> RunDetail | None:
    with session() as found:
        run = runs.get_run(found, run_id)
        if run is None:
            return None
        number = attempt or run.attempt
        return RunDetail(
            run=run,
            attempts=runs.list_attempts(found, run_id),
            jobs=runs.list_job_summaries(found, run_id, number),
        )


def attempt_detail(newest: RunDetail, attempt: int, version: int) -> RunDetail | None:
    """One attempt of a run of which the latest one is known."""
    return newest if attempt == newest.run.attempt else run_detail(newest.run.id, attempt, version)


@lasting
@st.cache_resource(ttl=5, max_entries=16, show_spinner=False)
def run_logs(run_id: int, attempt: int, version: int, *, failing: bool = False) -> list[logs.JobLogRow]:
    """Logs of the jobs of one attempt without their lines; with `failing`, of those that are over and did not
    succeed."""
    with session() as found:
        return logs.list_logs(found, run_id, attempt, with_text=False, failing=failing)


@lasting
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def job_steps(run_id: int, job_ids: tuple[int, ...], version: int) -> dict[int, runs.Steps]:
    """The steps of some jobs of a run, by the id of the job."""
    with session() as found:
        return runs.job_steps(found, run_id, job_ids)


def ask_for_log(row: logs.JobLogRow, run_id: int) -> None:
    """The collector looks for such requests every few seconds."""
    with writing() as found:
        request_logs(found, row.repository_id, run_id, [row.job_id], clock())
    run_logs.clear()
