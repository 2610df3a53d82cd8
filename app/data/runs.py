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
    run: runs.RunRow
    attempts: list[runs.AttemptRow]
    jobs: list[runs.JobRow]
    logs: list[logs.JobLogRow]


@lasting
@st.cache_resource(ttl=60, max_entries=256, show_spinner=False)
def run_page(scope: Scope, window: Window, text: str, cursor: str | None, version: int) -> tuple[runs.RunPage, int]:
    """A page of runs, and how many there are in all."""
    with session() as found:
        page = runs.list_runs(found, scope, window, limit=_PAGE, cursor=cursor, text=text)
        return page, analytics.count_runs(found, scope, window, text=text)


@lasting
@st.cache_resource(ttl=5, max_entries=64, show_spinner=False)
def run_detail(run_id: int, attempt: int | None, version: int) -> RunDetail | None:
    with session() as found:
        run = runs.get_run(found, run_id)
        if run is None:
            return None
        number = attempt or run.attempt
        return RunDetail(
            run=run,
            attempts=runs.list_attempts(found, run_id),
            jobs=runs.list_jobs(found, run_id, number),
            logs=logs.list_logs(found, run_id, number, with_text=False),
        )


def ask_for_log(row: logs.JobLogRow, run_id: int) -> None:
    """The collector looks for such requests every few seconds."""
    with writing() as found:
        request_logs(found, row.repository_id, run_id, [row.job_id], clock())
    run_detail.clear()
