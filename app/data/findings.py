"""The list of items that need attention, failure causes, regressions and flaky workflows."""

from datetime import datetime

import streamlit as st

from app.data.connection import read_session
from app.data.outages import serve_stale
from db.definitions.scope import Scope, Window
from health.alerts import attention as attention_list
from health.insights import causes as failure_causes
from health.insights import flaky as flaky_workflows
from health.insights import regressions as regression_detector


@serve_stale
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def attention(scope: Scope, now: datetime, version: int) -> list[attention_list.Attention]:
    known_regressions = regressions(scope, now)
    with read_session() as session:
        return attention_list.attention(session, scope, now, known_regressions=known_regressions)


def regressions(scope: Scope, now: datetime) -> list[regression_detector.Regression]:
    return _regressions(scope, regression_detector.evaluation_time(now))


@serve_stale
@st.cache_resource(ttl=1200, max_entries=64, show_spinner=False)
def _regressions(scope: Scope, now: datetime) -> list[regression_detector.Regression]:
    with read_session() as session:
        return regression_detector.regressions(session, scope, now)


@serve_stale
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def causes(scope: Scope, window: Window, now: datetime, version: int) -> failure_causes.Causes:
    with read_session() as session:
        return failure_causes.causes(session, scope, window, now)


@serve_stale
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def cause_runs(
    fingerprint: str, scope: Scope, window: Window, now: datetime, version: int
) -> failure_causes.CauseRuns | None:
    with read_session() as session:
        return failure_causes.cause_runs(session, fingerprint, scope, window, now)


@serve_stale
@st.cache_resource(ttl=60, max_entries=256, show_spinner=False)
def run_cause(run_id: int, attempt: int, version: int) -> failure_causes.RunCause | None:
    with read_session() as session:
        return failure_causes.cause_of_run(session, run_id, attempt)


@serve_stale
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def flaky(scope: Scope, window: Window, version: int) -> list[flaky_workflows.FlakyWorkflow]:
    with read_session() as session:
        return flaky_workflows.flaky(session, scope, window)
