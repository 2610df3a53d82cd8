"""Insights: flaky workflows, causes of failures, regressions, and items that need attention."""

from typing import Any, Self

from pydantic import AliasChoices, ConfigDict, Field

from api.schemas.alerts import Acknowledged
from api.schemas.base import Schema, Time, Window, example
from api.schemas.causes import KnownCause
from api.schemas.metrics import Data
from api.schemas.runs import Run
from db.runs.run_queries import RunRow
from health.alerts.attention import Attention as AttentionItem
from health.insights.causes.model import CauseClass
from health.insights.causes.queries import Cause as CauseRow
from health.insights.finding_queries import CauseOccurrence

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
    "fingerprint": "8c5e0f1b7a3d9e428c5e0f1b", "line": "FAILED tests/test_cart.py::test_total - assert 19.99 == 20.0",
    "line_number": 412, "class": "test", "tool": "pytest", "subject": "tests/test_cart.py::test_total",
    "message": "assert 19.99 == 20.0", "cause_id": "8c5e0f1b7a3d9e428c5e0f1b", "known": None,
    "jobs": 9, "runs": 7, "repos": ["acme/web-app"],
    "workflows": [{"repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001}],
    "first_at": "2026-09-02T07:41:30Z", "last_at": "2026-11-20T09:14:02Z", "last_run_id": 7398123456,
    "last_job_id": 20877123001, "by_day": [2, 5, 0, 0, 0], "open": True,
    "runs_before": 3,
}  # fmt: skip
_FAILED: dict[str, Any] = {
    **_RUN, "job_id": 20877123001, "line": "FAILED tests/test_cart.py::test_total - assert 19.99 == 20.0",
    "line_number": 412,
}  # fmt: skip
_REGRESSION: dict[str, Any] = {
    "kind": "duration", "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "branch": "main",
    "since": "2026-11-20T09:14:02Z", "since_earliest": "2026-11-20T07:40:11Z",
    "since_latest": "2026-11-20T10:02:45Z", "first_run": {**_RUN, "conclusion": "success", "outcome": "success"},
    "before": 181.0, "after": 272.0, "sample_before": 60, "sample_after": 48, "p_value": None, "t": 9.4,
    "text": "Median duration 3m 01s → 4m 32s (50% slower)",
}  # fmt: skip
_ATTENTION: dict[str, Any] = {
    "kind": "broken", "severity": "critical", "tone": "red", "score": 97.4,
    "headline": "acme/web-app · CI is failing on main", "why": "3 failed runs in a row",
    "since": "2026-11-20T09:18:34Z", "repo": "acme/web-app", "workflow": "CI",
    "workflow_id": 90001001, "run_id": 7398123499, "alert_id": 12, "first": _RUN, "failures": 3,
    "acknowledged": {"at": "2026-11-23T11:58:00Z", "by": "ann", "comment": "reverting #1234"},
    "silenced": {"until": "2026-11-23T16:00:00Z", "by": "bob", "comment": "maintenance"},
    "known": {
        "ticket": "OPS-123", "owner": "platform team", "comment": None, "until": None,
        "cause_id": "8c5e0f1b7a3d9e428c5e0f1b",
    },
}  # fmt: skip
_TOTAL = "Number of all items; `items` has the first `limit` of them"
_DATA: dict[str, Any] = {"complete_since": "2026-10-24T12:00:00Z", "synced_at": "2026-11-23T11:59:58Z", "gaps": []}
_COMPLETENESS = "Completeness of the data behind the response, as in /api/metrics"
_NOTE = "What the response leaves out, as text; null if nothing"
_BY_DAY = "Number of runs on each day (UTC) of the window, oldest first; all attempts of a run count once"
_WINDOW_DESCRIPTION = "The requested period; runs belong to it by created_at"


class FlakyJob(Schema):
    name: str = Field(description="Name of the job on GitHub, with its matrix values")
    runs: int = Field(description="Number of runs in which it failed before the latest attempt")


class FlakyWorkflow(Schema):
    model_config = example(_FLAKY)
    repo: str = Field(description="owner/name")
    workflow: str = Field(description="Name of the workflow")
    workflow_id: int = Field(description="GitHub's id of the workflow")
    flaky_runs: int = Field(description="Number of runs of which an attempt failed and a later one succeeded")
    decided: int = Field(description="Number of runs that succeeded or failed: the denominator of `rate`")
    rate: float | None = Field(description="flaky_runs / decided, from 0 to 1")
    lower_bound: float = Field(
        description="Lower bound of the 95 % confidence interval of `rate` (Wilson), from 0 to 1"
    )
    upper_bound: float = Field(description="Upper bound of the confidence interval of `rate`")
    rerun_failures: int = Field(
        description="Number of runs with a failed attempt that was re-run: the denominator of `rate_per_rerun`"
    )
    rate_per_rerun: float | None = Field(
        description="flaky_runs / rerun_failures, from 0 to 1; independent of how often failures are re-run"
    )
    estimate: float | None = Field(
        description="Estimated share of flaky runs, whether or not they are re-run: share of runs whose first attempt "
        "fails × share of re-run failures that pass, over the last 28 days of the window; null without re-run failures"
    )
    estimate_low: float = Field(
        description="Lower bound of `estimate`, from the lower bounds of its factors (Wilson, 95 %); the list is "
        "sorted "
        "by it"
    )
    called: bool = Field(
        validation_alias=AliasChoices("is_flaky", "called"),
        description="True where `estimate_low` is at least 1 % and there are at least two flaky runs",
    )
    same_commit: int = Field(
        description="Number of commits from the last 14 days of the window with a failed and a successful run"
    )
    jobs: list[FlakyJob] = Field(description="The ten jobs that failed most often")
    last_at: Time = Field(description="created_at of the newest flaky run in the window")
    last_run_id: int = Field(description="Id of the newest flaky run in the window")
    by_day: list[int] = Field(description=_BY_DAY)
    wasted_seconds: float = Field(description="Job time of their failed attempts, in seconds")
    before: int | None = Field(
        description="Number of flaky runs in the previous period; null where it was not collected"
    )


class Flaky(Schema):
    model_config = example({"window": _WINDOW, "items": [_FLAKY], "total": 1, "note": None, "data": _DATA})
    window: Window = Field(description=_WINDOW_DESCRIPTION)
    items: list[FlakyWorkflow] = Field(description="Sorted by `estimate_low`, highest first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_COMPLETENESS)


class AffectedWorkflow(Schema):
    repo: str = Field(description="owner/name")
    workflow: str = Field(description="Name of the workflow")
    workflow_id: int = Field(description="GitHub's id of the workflow")


class Cause(Schema):
    model_config = ConfigDict(
        from_attributes=True, populate_by_name=True, serialize_by_alias=True, json_schema_extra={"example": _CAUSE}
    )
    fingerprint: str = Field(
        description="Identifies the cause: fingerprint of its most frequent line in the window; it may differ between "
        "windows"
    )
    cause_id: str = Field(description="The same as `fingerprint`")
    kind: CauseClass = Field(alias="class", description="What kind of problem the cause is")
    tool: str = Field(description="The tool that reported the cause; empty if no rule recognises the line")
    subject: str | None = Field(
        description="What failed: a test, a file and an error code, a package, a host; null if the line names nothing"
    )
    message: str = Field(description="The message without the subject")
    line: str = Field(description="The error line as in the newest log of the window")
    line_number: int | None = Field(
        description="Number of the line in that log, from 1; null for an annotation, and until the collector has "
        "extracted the causes of the log"
    )
    known: KnownCause | None = Field(description="The mark of a known cause; null without one")
    jobs: int = Field(description="Number of failed jobs with this cause in the window")
    runs: int = Field(description="Number of runs with such a job")
    repos: list[str] = Field(description="Repositories with this cause in the window, the latest first")
    workflows: list[AffectedWorkflow] = Field(description="Workflows with this cause in the window, the latest first")
    first_at: Time = Field(
        description="created_at of the first stored run with this cause that matches the filters, also before the "
        "window"
    )
    last_at: Time = Field(description="created_at of the last such run, also after the window")
    last_run_id: int = Field(description="Id of the newest run with this cause in the window")
    last_job_id: int = Field(description="Id of the job of that run whose log has `line`")
    by_day: list[int] = Field(description=_BY_DAY)
    open: bool = Field(
        description="True where it is the latest failure of a workflow that fails on its default branch now"
    )
    runs_before: int | None = Field(
        description="Number of runs with this cause in the previous period; null where it was not collected, and for a "
        "single cause"
    )

    @classmethod
    def from_cause(cls, cause: CauseRow) -> Self:
        workflows = [
            AffectedWorkflow(repo=repo, workflow=name, workflow_id=workflow_id)
            for repo, name, workflow_id in cause.workflows
        ]
        return cls.from_row(cause, workflows=workflows, cause_id=cause.fingerprint)


class ClassCount(Schema):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True, serialize_by_alias=True)
    kind: CauseClass = Field(alias="class", description="What kind of problem the causes are")
    causes: int = Field(description="Number of causes of the class; a cancellation is no cause that failures share")
    jobs: int = Field(description="Number of failed jobs with such a cause; with several classes, it counts in each")
    runs: int = Field(description="Number of runs with such a job")


class Failures(Schema):
    model_config = example(
        {
            "window": _WINDOW,
            "items": [_CAUSE],
            "total": 1,
            "classes": [{"class": "test", "causes": 1, "jobs": 9, "runs": 7}],
            "looked_at": 9,
            "unnamed": 2,
            "note": None,
            "data": _DATA,
        }
    )
    window: Window = Field(description=_WINDOW_DESCRIPTION)
    items: list[Cause] = Field(description="Sorted by number of runs, highest first")
    total: int = Field(description=_TOTAL)
    classes: list[ClassCount] = Field(
        description="Counts by class, those with most jobs first; `class` does not change them"
    )
    looked_at: int = Field(
        description="Number of failed jobs in the window with a cause; at most the newest 20,000, fewer if they have "
        "more than 40,000 causes"
    )
    unnamed: int | None = Field(
        description="Number of failed runs in the window without a cause; null while the collector extracts the causes "
        "of logs that an earlier version stored"
    )
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_COMPLETENESS)


class FailedRun(Run):
    model_config = example(_FAILED)
    job_id: int = Field(description="Id of the job with this cause")
    line: str = Field(description="The error line in the log of this job")
    line_number: int | None = Field(description="Number of the line in the log, from 1; null if unknown")

    @classmethod
    def from_run(cls, run: RunRow, job: CauseOccurrence) -> Self:
        return cls.from_row(run, job_id=job.job_id, line=job.line, line_number=job.line_number)


class Failure(Schema):
    model_config = example(
        {"window": _WINDOW, "cause": _CAUSE, "items": [_FAILED], "total": 1, "note": None, "data": _DATA}
    )
    window: Window = Field(description=_WINDOW_DESCRIPTION)
    cause: Cause = Field(description="The cause, as in /api/insights/failures")
    items: list[FailedRun] = Field(description="Runs with this cause in the window, newest first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_COMPLETENESS)


class Regression(Schema):
    model_config = example(_REGRESSION)
    kind: str = Field(description="success: lower success rate; duration: longer duration")
    repo: str = Field(description="owner/name")
    workflow: str = Field(description="Name of the workflow")
    workflow_id: int = Field(description="GitHub's id of the workflow")
    branch: str = Field(description="The default branch")
    since: Time = Field(description="created_at of `first_run`")
    since_earliest: Time = Field(description="Start of the 90 % interval of the time of the change")
    since_latest: Time = Field(description="End of the 90 % interval of the time of the change")
    first_run: Run = Field(description="The most likely first run after the change, with its commit")
    before: float = Field(
        description="Before the change: success rate from 0 to 1 (success) or median in seconds (duration)"
    )
    after: float = Field(description="As `before`, since the change")
    sample_before: int = Field(description="Number of runs behind `before`")
    sample_after: int = Field(description="Number of runs behind `after`")
    p_value: float | None = Field(
        description="success: one-sided Fisher's exact test, in which a streak of failures counts once; else null"
    )
    t: float | None = Field(description="duration: size of the change in standard errors; else null")
    text: str = Field(description="The change as text")


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
    window: Window = Field(description="The evaluated period: the last 37 days, up to the last full ten minutes")
    items: list[Regression] = Field(description="Success rates, then durations; each with the largest change first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_COMPLETENESS)


class Silenced(Schema):
    until: Time = Field(description="End of the silence")
    by: str = Field(description="Author of the silence; empty if it is not known")
    comment: str = Field(description="Reason of the silence")


class Attention(Schema):
    model_config = example(_ATTENTION)
    kind: str = Field(
        description="broken: a default branch fails; alert: a firing alert; success, duration: a regression; stuck: a "
        "run makes no progress; queue: jobs wait unusually long for a runner"
    )
    severity: str = Field(
        description="critical: repeated failures on a default branch, or an alert with that severity; warning: a "
        "single failure, a failing branch without recent runs, a regression; info: waiting jobs"
    )
    tone: str = Field(description="Colour of the severity: red, orange or blue")
    score: float = Field(
        description="From 0 to 110, by severity, age, runs per week and consecutive failures; lower for acknowledged "
        "and silenced items. The list is sorted by it"
    )
    failures: int = Field(description="Number of consecutive failed runs; 0 for other kinds")
    acknowledged: Acknowledged | None = Field(description="Acknowledgement of its alert; null without one")
    silenced: Silenced | None = Field(description="Active silence of its alert; null without one")
    headline: str = Field(description="Summary in one sentence")
    why: str = Field(description="Measured values, as text")
    since: Time = Field(description="Start of the condition")
    repo: str | None = Field(description="owner/name; null for an item about a runner")
    workflow: str | None = Field(
        description="The name of the workflow; null for an item that is not about a single workflow"
    )
    workflow_id: int | None = Field(description="GitHub's id of the workflow")
    run_id: int | None = Field(description="Id of the related run; null without one")
    alert_id: int | None = Field(
        description="Id of the alert, for kind alert and for handled items (see `/api/alerts/{alert_id}`); else null"
    )
    first: Run | None = Field(description="The first failed run, with its commit; null without one")
    known: KnownCause | None = Field(
        description="Mark of the cause of the last failure by a user; null for other causes, and for other kinds"
    )

    @classmethod
    def from_item(cls, item: AttentionItem) -> Self:
        return cls.from_row(item, known=item.known.triage if item.known else None)


class AttentionList(Schema):
    model_config = example(
        {"at": "2026-11-23T12:00:00Z", "items": [_ATTENTION], "total": 1, "note": None, "data": _DATA}
    )
    at: Time = Field(description="Time of the evaluation")
    items: list[Attention] = Field(description="Sorted by `score`, highest first")
    total: int = Field(description=_TOTAL)
    note: str | None = Field(description=_NOTE)
    data: Data = Field(description=_COMPLETENESS)
