"""Findings: what is flaky, why runs fail, what got worse, and what needs a person."""

from typing import Any

from pydantic import Field

from api.schemas.alerts import Acknowledged
from api.schemas.base import Schema, Time, Window, example
from api.schemas.metrics import Data
from api.schemas.runs import Run

_WINDOW = {"since": "2026-11-19T12:00:00Z", "until": "2026-11-23T12:00:00Z"}
_RUN: dict[str, Any] = {
    "id": 7398123456, "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "run_number": 1750,
    "attempt": 1, "title": "fix(cart): round half to even", "event": "push", "branch": "main",
    "head_sha": "762b1c4b80080ab6722f67cee6be8f42f415dfc3", "actor": "hana-sato", "status": "completed",
    "conclusion": "failure", "outcome": "failure", "flaky": False, "created_at": "2026-11-20T09:14:02Z",
    "started_at": "2026-11-20T09:14:02Z", "completed_at": "2026-11-20T09:18:34Z",
    "duration_seconds": 272.0, "queue_seconds": 6.0,
    "html_url": "https://github.com/acme/web-app/actions/runs/7398123456", "triggering_actor": "hana-sato",
    "commit_author": "Hana Sato", "commit_message": "fix(cart): round half to even",
}  # fmt: skip
_FLAKY: dict[str, Any] = {
    "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "flaky_runs": 6, "decided": 212,
    "rate": 0.02830188679245283, "lower_bound": 0.013035, "upper_bound": 0.060377, "rerun_failures": 8,
    "rate_per_rerun": 0.75, "estimate": 0.0742, "estimate_low": 0.0231, "called": True, "same_commit": 2,
    "jobs": [{"name": "e2e (chromium)", "runs": 5}, {"name": "test (3.11)", "runs": 1}],
    "last_at": "2026-11-22T16:02:11Z", "last_run_id": 7398123456, "by_day": [1, 0, 2, 3, 0], "wasted_seconds": 1834.0,
    "before": 2,
}  # fmt: skip
_CAUSE: dict[str, Any] = {
    "fingerprint": "8c5e0f1b7a3d9e42", "line": "FAILED tests/test_cart.py::test_total - assert 19.99 == 20.0",
    "jobs": 9, "runs": 7, "repos": ["acme/web-app"],
    "workflows": [{"repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001}],
    "first_at": "2026-09-02T07:41:30Z", "last_at": "2026-11-20T09:14:02Z", "last_run_id": 7398123456,
    "last_job_id": 20877123001, "by_day": [2, 5, 0, 0, 0], "open": True,
    "runs_before": 3,
}  # fmt: skip
_FAILED: dict[str, Any] = {
    **_RUN, "job_id": 20877123001, "line": "FAILED tests/test_cart.py::test_total - assert 19.99 == 20.0",
}  # fmt: skip
_REGRESSION: dict[str, Any] = {
    "kind": "duration", "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "branch": "main",
    "since": "2026-11-20T09:14:02Z", "since_earliest": "2026-11-20T07:40:11Z",
    "since_latest": "2026-11-20T10:02:45Z", "first_run": {**_RUN, "conclusion": "success", "outcome": "success"},
    "before": 181.0, "after": 272.0, "sample_before": 60, "sample_after": 48, "p_value": None, "t": 9.4,
    "text": "Median duration 4m 32s, 3m 01s before: 50% slower",
}  # fmt: skip
_ATTENTION: dict[str, Any] = {
    "kind": "broken", "severity": "critical", "tone": "red", "score": 97.4,
    "headline": "CI is broken on main of acme/web-app", "why": "3 failed runs in a row",
    "since": "2026-11-20T09:18:34Z", "repo": "acme/web-app", "workflow": "CI",
    "workflow_id": 90001001, "run_id": 7398123499, "alert_id": 12, "first": _RUN, "failures": 3,
    "acknowledged": {"at": "2026-11-23T11:58:00Z", "by": "ann", "comment": "reverting #1234"},
}  # fmt: skip
_TOTAL = "How many were found; `items` holds the first `limit` of them"
_DATA: dict[str, Any] = {"complete_since": "2026-10-24T12:00:00Z", "synced_at": "2026-11-23T11:59:58Z", "gaps": []}
_KNOWN = "How complete the data behind the answer is, as beside metrics"
_NOTE = "What was left out, in a sentence; null when nothing was"
_BY_DAY = "Runs on each day (UTC) that the window touches, the oldest first; all attempts of a run count once"


class FlakyJob(Schema):
    name: str = Field(description="As GitHub has it, with its matrix")
    runs: int = Field(description="Runs in which it failed before the latest attempt")


class FlakyWorkflow(Schema):
    model_config = example(_FLAKY)
    repo: str = Field(description="owner/name")
    workflow: str = Field(description="The name of the workflow")
    workflow_id: int = Field(description="GitHub's id of the workflow")
    flaky_runs: int = Field(description="Runs of which an attempt failed and a later one passed")
    decided: int = Field(description="Runs that succeeded or failed; the whole of `rate`")
    rate: float | None = Field(description="flaky_runs / decided, 0 to 1")
    lower_bound: float = Field(description="Lower bound of the 95 % interval of `rate` (Wilson), 0 to 1")
    upper_bound: float = Field(description="Upper bound of the same interval")
    rerun_failures: int = Field(
        description="Runs of which a failed attempt was run again; the whole of `rate_per_rerun`"
    )
    rate_per_rerun: float | None = Field(
        description="flaky_runs / rerun_failures, 0 to 1: does not depend on how often people re-run"
    )
    estimate: float | None = Field(
        description="Share of runs that flake, re-run or not: share of runs that fail at first × share of re-run "
        "failures that pass, of the last 28 days of the window; null where no failure was re-run in them"
    )
    estimate_low: float = Field(
        description="Lower bound of `estimate`, by the lower bounds of its factors (Wilson, 95 %); the list is ranked "
        "by it"
    )
    called: bool = Field(description="`estimate_low` is at least 1 %, by two flaky runs or more")
    same_commit: int = Field(
        description="Commits of the last 14 days of the window on which one run failed and another passed"
    )
    jobs: list[FlakyJob] = Field(description="The ten that failed most often")
    last_at: Time = Field(description="created_at of the newest flaky run of the window")
    last_run_id: int = Field(description="The newest flaky run of the window")
    by_day: list[int] = Field(description=_BY_DAY)
    wasted_seconds: float = Field(description="Length of the jobs of their failed attempts, in seconds")
    before: int | None = Field(description="Flaky runs of the period before; null where that was not collected")


class Flaky(Schema):
    model_config = example({"window": _WINDOW, "items": [_FLAKY], "total": 1, "note": None, "data": _DATA})
    window: Window = Field(description="What was asked for: runs that were created in it")
    items: list[FlakyWorkflow] = Field(description="The surest first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_KNOWN)


class CausePlace(Schema):
    repo: str = Field(description="owner/name")
    workflow: str = Field(description="The name of the workflow")
    workflow_id: int = Field(description="GitHub's id of the workflow")


class Cause(Schema):
    model_config = example(_CAUSE)
    fingerprint: str = Field(
        description="Names the cause: that of its most frequent line in the window, so it may be another one in another"
    )
    line: str = Field(description="The line as it stood in the newest log of the window")
    jobs: int = Field(description="Failed jobs of the window with this cause")
    runs: int = Field(description="Runs of the window with such a job")
    repos: list[str] = Field(description="Where it was seen in the window, the latest first")
    workflows: list[CausePlace] = Field(description="Where it was seen in the window, the latest first")
    first_at: Time = Field(
        description="created_at of the first stored run that matches the filters with one of its lines, even long "
        "before the window"
    )
    last_at: Time = Field(description="The same of the last one, even after the window")
    last_run_id: int = Field(description="The newest run of the window with it")
    last_job_id: int = Field(description="The job of that run; its log holds `line`")
    by_day: list[int] = Field(description=_BY_DAY)
    open: bool = Field(description="A workflow that is broken on its default branch now failed of it last")
    runs_before: int | None = Field(
        description="Runs with it in the period before; null where that was not collected, and for a single cause"
    )


class Failures(Schema):
    model_config = example(
        {"window": _WINDOW, "items": [_CAUSE], "total": 1, "looked_at": 9, "unnamed": 2, "note": None, "data": _DATA}
    )
    window: Window = Field(description="What was asked for: runs that were created in it")
    items: list[Cause] = Field(description="The cause of the most runs first")
    total: int = Field(description=_TOTAL)
    looked_at: int = Field(description="Failed jobs of the window whose logs name a cause; at most the newest 20,000")
    unnamed: int = Field(description="Failed runs of the window of which no stored log names a cause")
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_KNOWN)


class FailedRun(Run):
    model_config = example(_FAILED)
    job_id: int = Field(description="The job whose log names the cause")
    line: str = Field(description="The line in the log of this job")


class Failure(Schema):
    model_config = example(
        {"window": _WINDOW, "cause": _CAUSE, "items": [_FAILED], "total": 1, "note": None, "data": _DATA}
    )
    window: Window = Field(description="What was asked for: runs that were created in it")
    cause: Cause = Field(description="As in the list of causes")
    items: list[FailedRun] = Field(description="Its runs in the window, newest first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_KNOWN)


class Regression(Schema):
    model_config = example(_REGRESSION)
    kind: str = Field(description="success: fails more often; duration: got slower")
    repo: str = Field(description="owner/name")
    workflow: str = Field(description="The name of the workflow")
    workflow_id: int = Field(description="GitHub's id of the workflow")
    branch: str = Field(description="The default branch")
    since: Time = Field(description="created_at of `first_run`")
    since_earliest: Time = Field(description="The change began from then")
    since_latest: Time = Field(description="to then, with 90 % probability")
    first_run: Run = Field(description="The most probable first run of the change, with its commit")
    before: float = Field(description="success: success rate, 0 to 1; duration: median in seconds")
    after: float = Field(description="The same since the change")
    sample_before: int = Field(description="Runs behind `before`")
    sample_after: int = Field(description="Runs behind `after`")
    p_value: float | None = Field(
        description="success: of Fisher's exact test, one-sided, where a streak of failures counts once; else null"
    )
    t: float | None = Field(description="duration: the step in standard errors; else null")
    text: str = Field(description="The same in words")


class Regressions(Schema):
    model_config = example(
        {
            "window": {"since": "2026-10-17T12:00:00Z", "until": "2026-11-23T12:00:00Z"},
            "items": [_REGRESSION],
            "total": 1,
            "note": None,
            "data": _DATA,
        }
    )
    window: Window = Field(description="What was looked at: always the last 37 days, up to a full ten minutes")
    items: list[Regression] = Field(description="Success rates first, then durations; the largest change first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_KNOWN)


class Attention(Schema):
    model_config = example(_ATTENTION)
    kind: str = Field(
        description="broken: a default branch fails; alert: one fires; success, duration: a regression; stuck: a run "
        "stands still; queue: runners are short"
    )
    severity: str = Field(
        description="critical: a default branch fails repeatedly, or an alert of that severity; warning: a single "
        "failure, a branch on which nothing runs any more, what got worse; info: what waits"
    )
    tone: str = Field(description="The colour of the severity: red, orange or blue")
    score: float = Field(
        description="0 to 110; the list is ranked by it: severity, how new it is, runs a week, failures in a row, less "
        "where somebody acknowledged it"
    )
    failures: int = Field(description="Failed runs in a row; 0 for what does not fail")
    acknowledged: Acknowledged | None = Field(description="Who knows of it; null where nobody said so")
    headline: str = Field(description="What it is, in a sentence")
    why: str = Field(description="The figures behind it")
    since: Time = Field(description="Since when it is so")
    repo: str | None = Field(description="owner/name; null where it is about a runner")
    workflow: str | None = Field(description="The name of the workflow; null where it is about no single one")
    workflow_id: int | None = Field(description="GitHub's id of the workflow")
    run_id: int | None = Field(description="The run to look at; null where there is none")
    alert_id: int | None = Field(
        description="The alert, for `/api/alerts/{alert_id}`: of the kind alert, or acknowledged; else null"
    )
    first: Run | None = Field(description="The first bad run, with its commit; null where there is none")


class AttentionList(Schema):
    model_config = example(
        {"at": "2026-11-23T12:00:00Z", "items": [_ATTENTION], "total": 1, "note": None, "data": _DATA}
    )
    at: Time = Field(description="The moment that it is said of")
    items: list[Attention] = Field(description="The highest score first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_KNOWN)
