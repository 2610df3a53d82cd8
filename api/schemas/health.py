"""What GitHub is told about a delivery.

Workflows and health.
"""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Schema, Time, example


class Received(Schema):
    model_config = example({"status": "stored", "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"})
    status: Literal["stored", "duplicate", "ignored"] = Field(
        description="stored: the collector applies it within a second; duplicate: it came before; ignored: this event "
        "is not used here"
    )
    delivery: str = Field(description="X-GitHub-Delivery")


_WORKFLOW: dict[str, Any] = {
    "id": 90001001, "repo": "acme/web-app", "name": "CI", "path": ".github/workflows/ci.yml", "state": "active",
}  # fmt: skip
_DATABASE: dict[str, Any] = {"status": "ok", "detail": "reachable and migrated"}
_REPLICA: dict[str, Any] = {
    "status": "ok", "detail": "the replica answers, 0 s behind", "reads_from": "replica", "lag_seconds": 0.0,
}  # fmt: skip
_COLLECTOR: dict[str, Any] = {
    "status": "degraded", "detail": "acme/api: GitHub answered 404: it does not exist or the token may not see it",
    "state": "live", "seen_at": "2026-11-23T12:00:04Z", "stopped_at": None, "synced_at": "2026-11-23T12:00:00Z",
    "catching_up": 0, "repositories": 41,
    "collectors": [
        {"name": "ci-health-1/7", "alive": True, "seen_at": "2026-11-23T12:00:04Z", "repositories": 21,
         "state": "syncing", "message": "Reading runs"},
        {"name": "ci-health-2/7", "alive": True, "seen_at": "2026-11-23T12:00:01Z", "repositories": 20,
         "state": "idle", "message": None},
    ],
}  # fmt: skip
_INBOX: dict[str, Any] = {
    "status": "ok", "detail": "deliveries are applied as they come", "waiting": 3, "failed": 0, "oldest_seconds": 0.4,
}  # fmt: skip


class Workflow(Schema):
    model_config = example(_WORKFLOW)
    id: int
    repo: str
    name: str
    path: str
    state: str = Field(
        description="As GitHub names it; `deleted` is also what a complete list of workflows does not name any more, "
        "`unlisted` what only runs name"
    )


class Workflows(Schema):
    model_config = example({"items": [_WORKFLOW]})
    items: list[Workflow]


class Check(Schema):
    """`status` is ok, degraded or error; `detail` says why in one line."""

    model_config = example(_DATABASE)
    status: str
    detail: str


class ReplicaCheck(Check):
    """Where there is a replica of the database."""

    model_config = example(_REPLICA)
    reads_from: Literal["replica", "database"] = Field(description="What answers now")
    lag_seconds: float | None = Field(description="How far the replica is behind; null where that is not known")


class Collector(Schema):
    """One of those that share the work, with what it says of itself."""

    name: str
    alive: bool = Field(description="It renews its claims")
    seen_at: Time | None
    repositories: int = Field(description="That it looks after now")
    state: str | None = Field(description="`stopped` or `stale` where it is not alive; else what it says of itself")
    message: str | None
    stopped_at: Time | None = Field(
        None, description="When it ended in order; left out while it runs, and after a crash"
    )


class CollectorCheck(Check):
    model_config = example(_COLLECTOR)
    state: Literal["never", "live", "stale", "stopped"] | None = Field(
        None, description="Of the collectors together; `stale`: none ended in order, and none is heard of"
    )
    seen_at: Time | None = None
    stopped_at: Time | None = Field(None, description="When the last one ended in order; null while one runs")
    synced_at: Time | None = Field(None, description="The oldest last look of a repository")
    catching_up: int | None = Field(None, description="Repositories with history or jobs that are still to be read")
    repositories: int | None = Field(None, description="Monitored repositories")
    collectors: list[Collector] = Field(default=[], description="Those of the last hour")


class InboxCheck(Check):
    """Deliveries of webhooks."""

    model_config = example(_INBOX)
    waiting: int | None = None
    failed: int | None = Field(None, description="Could not be applied, in the last 7 days")
    oldest_seconds: float | None = Field(None, description="How long the oldest one waits; null where none does")


class Checks(Schema):
    database: Check
    replica: ReplicaCheck | None = Field(None, description="Left out where there is none")
    collector: CollectorCheck
    inbox: InboxCheck


class Health(Schema):
    model_config = example(
        {
            "status": "degraded",
            "version": "0.1.0",
            "schema_revision": "0012",
            "checks": {"database": _DATABASE, "collector": _COLLECTOR, "inbox": _INBOX},
        }
    )
    status: str
    version: str
    schema_revision: str | None
    checks: Checks


class LivenessResponse(Schema):
    model_config = example({"status": "ok"})
    status: str
