"""What the answers look like; the contract's names."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from db.metrics.catalogue import display
from db.metrics.formulas import Metrics as MetricsFigures
from db.metrics.window import Window as TimeWindow


def _iso(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_iso, return_type=str)]


class Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Run(Schema):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": 7398123456, "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "run_number": 1750,
                "attempt": 1, "title": "fix(cart): round half to even", "event": "push", "branch": "main",
                "head_sha": "762b1c4b80080ab6722f67cee6be8f42f415dfc3", "actor": "hana-sato", "status": "completed",
                "conclusion": "success", "outcome": "success", "flaky": False, "created_at": "2026-11-20T09:14:02Z",
                "started_at": "2026-11-20T09:14:02Z", "completed_at": "2026-11-20T09:18:34Z",
                "duration_seconds": 272.0, "queue_seconds": 6.0,
                "html_url": "https://github.com/acme/web-app/actions/runs/7398123456",
            }
        },
    )  # fmt: skip
    id: int
    repo: str
    workflow: str
    workflow_id: int
    run_number: int
    attempt: int = Field(description="The latest one; a run counts once, by it")
    title: str
    event: str
    branch: str | None
    head_sha: str
    actor: str | None
    status: str
    conclusion: str | None
    outcome: str = Field(description="success, failure, cancelled, skipped, other or in_progress")
    flaky: bool
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: float | None
    queue_seconds: float | None
    html_url: str


class RunPage(Schema):
    items: list[Run]
    next: str | None = Field(description="Give it back as `cursor` for the next page; null at the end")


class Attempt(Schema):
    attempt: int
    status: str
    conclusion: str | None
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: float | None
    queue_seconds: float | None
    actor: str | None


class Step(Schema):
    number: int
    name: str
    status: str | None
    conclusion: str | None
    started_at: str | None
    completed_at: str | None


class Job(Schema):
    id: int
    name: str
    status: str
    conclusion: str | None
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: float | None
    queue_seconds: float | None
    runner: str | None
    labels: list[str]
    copied: bool = Field(description="Carried over from an earlier attempt: not counted")
    phantom: bool = Field(description="A check run without a runner: not counted")
    steps: list[Step]
    html_url: str | None


class RunDetail(Run):
    attempts: list[Attempt]
    jobs: list[Job]


class Counts(Schema):
    total: int
    completed: int
    success: int
    failure: int
    cancelled: int
    skipped: int
    other: int
    in_progress: int


class Distribution(Schema):
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


class Recovery(Schema):
    mean: float | None
    p50: float | None
    open: int


class Gap(Schema):
    repo: str
    kind: str
    detail: str


class Data(Schema):
    complete_since: Time | None = Field(description="Every run since then is known; null while a history is read")
    synced_at: Time | None
    gaps: list[Gap]


class Metrics(Schema):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "runs": {"total": 1280, "completed": 1274, "success": 1090, "failure": 121, "cancelled": 48,
                         "skipped": 9, "other": 6, "in_progress": 6},
                "success_rate": 0.9000825763831544, "failure_rate": 0.09991742361684558,
                "duration_seconds": {"mean": 214.3, "p50": 181.0, "p90": 402.0, "p95": 611.5},
                "queue_seconds": {"mean": 9.1, "p50": 5.0, "p90": 21.0, "p95": 44.0},
                "rerun_rate": 0.031, "flaky_runs": 17,
                "recovery_seconds": {"mean": 5400.0, "p50": 2710.0, "open": 1},
                "compute_seconds": 512344.0, "wasted_seconds": 61233.0, "cost_usd": 71.42,
                "data": {"complete_since": "2026-10-24T12:00:00Z", "synced_at": "2026-11-23T12:00:00Z", "gaps": []},
                "display": {"success_rate": "90.0%", "duration_p50": "3m 01s"},
            }
        },
    )  # fmt: skip
    runs: Counts
    success_rate: float | None = Field(description="success / (success + failure); null when nothing is decided")
    failure_rate: float | None
    duration_seconds: Distribution
    queue_seconds: Distribution
    rerun_rate: float | None
    flaky_runs: int
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    data: Data
    display: dict[str, str] = Field(description="The same figures as the dashboard and the messages write them")


class Window(Schema):
    since: Time
    until: Time


class MetricsAnswer(Metrics):
    window: Window


class Point(Metrics):
    start: Time
    partial: bool = Field(description="The window cuts this bucket short")


class Series(Schema):
    interval: str
    window: Window
    points: list[Point]


class Group(Metrics):
    key: str | None
    repo: str | None = None
    workflow_id: int | None = None


class Groups(Schema):
    by: str
    window: Window
    items: list[Group]


class Repository(Schema):
    id: int
    repo: str
    default_branch: str
    private: bool
    archived: bool
    monitored: bool
    html_url: str
    complete_since: Time | None
    synced_at: Time | None
    error: str | None
    error_at: Time | None
    gaps: list[dict[str, Any]]


class Repositories(Schema):
    items: list[Repository]


class Workflow(Schema):
    id: int
    repo: str
    name: str
    path: str
    state: str


class Workflows(Schema):
    items: list[Workflow]


class Excerpt(Schema):
    first_line: int | None = Field(description="Number of the first line of the excerpt within the log, from 1")
    lines: list[str]


class JobLog(Schema):
    job_id: int
    name: str
    conclusion: str | None
    state: str = Field(description="stored, pending, expired or missing")
    excerpt: Excerpt
    text: str | None


class Logs(Schema):
    run_id: int
    attempt: int
    jobs: list[JobLog]


class Delivery(Schema):
    channel: str
    reason: str
    state: str
    tries: int
    created_at: Time
    sent_at: Time | None
    error: str | None


class Alert(Schema):
    id: int
    repo: str
    workflow: str | None
    rule: str
    threshold: str
    state: str
    opened_at: Time
    resolved_at: Time | None
    detail: dict[str, Any]
    deliveries: list[Delivery]


class Alerts(Schema):
    items: list[Alert]


class TestResult(Schema):
    __test__ = False
    channel: str
    ok: bool
    error: str | None


class TestResults(Schema):
    __test__ = False
    results: list[TestResult]


class ProblemDocument(Schema):
    """RFC 9457."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["since: '30 x' is no time; write 2026-01-31T08:00:00Z, or 24h, 30d before now"])
    errors: list[dict[str, str]] | None = None


def figures(metrics: MetricsFigures) -> dict[str, Any]:
    """Metrics and how they are written, ready for the schemas above."""
    plain = {name: getattr(metrics, name) for name in MetricsFigures.__dataclass_fields__}
    return {**plain, "display": display(metrics)}


def span(window: TimeWindow) -> dict[str, datetime]:
    return {"since": window.since, "until": window.until}
