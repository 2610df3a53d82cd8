"""What needs a person, why runs fail, and what is flaky."""

from datetime import datetime

import streamlit as st

from app.data.connection import session
from app.data.outages import lasting
from db import findings
from db.metrics.scope import Scope
from db.metrics.window import Window


@lasting
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def attention(scope: Scope, now: datetime, version: int) -> list[findings.Attention]:
    worse = regressions(scope, now)
    with session() as found:
        return findings.attention(found, scope, now, worse=worse)


def regressions(scope: Scope, now: datetime) -> list[findings.Regression]:
    """What got worse over weeks is looked for every ten minutes, not with every run that ends."""
    return _regressions(scope, now.replace(minute=now.minute // 10 * 10))


@lasting
@st.cache_resource(ttl=1200, max_entries=64, show_spinner=False)
def _regressions(scope: Scope, now: datetime) -> list[findings.Regression]:
    with session() as found:
        return findings.regressions(found, scope, now)


@lasting
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def causes(scope: Scope, window: Window, now: datetime, version: int) -> findings.Causes:
    with session() as found:
        return findings.causes(found, scope, window, now)


@lasting
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def cause_runs(
    fingerprint: str, scope: Scope, window: Window, now: datetime, version: int
) -> findings.CauseRuns | None:
    with session() as found:
        return findings.cause_runs(found, fingerprint, scope, window, now)


@lasting
@st.cache_resource(ttl=60, max_entries=256, show_spinner=False)
def run_cause(run_id: int, attempt: int, version: int) -> findings.RunCause | None:
    with session() as found:
        return findings.cause_of_run(found, run_id, attempt)


@lasting
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def flaky(scope: Scope, window: Window, version: int) -> list[findings.FlakyWorkflow]:
    with session() as found:
        return findings.flaky(found, scope, window)
