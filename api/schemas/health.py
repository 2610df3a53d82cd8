"""Health checks, workflows, and receipts of webhook deliveries."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Schema, Time, example


class Received(Schema):
    model_config = example({"status": "stored", "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"})
    status: Literal["stored", "duplicate", "ignored"] = Field(
        description="stored: the collector applies it within a second; duplicate: it was stored before; ignored: "
        "events "
        "of this type are not used"
    )
    delivery: str = Field(description="X-GitHub-Delivery")


_WORKFLOW: dict[str, Any] = {
    "id": 90001001, "repo": "acme/web-app", "name": "CI", "path": ".github/workflows/ci.yml", "state": "active",
}  # fmt: skip
_DATABASE: dict[str, Any] = {"status": "ok", "detail": "reachable and migrated"}
_REPLICA: dict[str, Any] = {
    "status": "ok", "detail": "the replica serves reads, 0 s behind", "reads_from": "replica", "lag_seconds": 0.0,
}  # fmt: skip
_COLLECTOR: dict[str, Any] = {
    "status": "degraded", "detail": "acme/api: /repos/acme/api not found, or the token has no access (404)",
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
    "status": "ok", "detail": "deliveries are applied as they arrive", "waiting": 3, "failed": 0, "oldest_seconds": 0.4,
}  # fmt: skip


class Workflow(Schema):
    model_config = example(_WORKFLOW)
    id: int
    repo: str
    name: str
    path: str
    state: str = Field(
        description="State on GitHub; `deleted` also for a workflow that GitHub no longer lists, `unlisted` for one "
        "that is known from runs only"
    )


class Workflows(Schema):
    model_config = example({"items": [_WORKFLOW]})
    items: list[Workflow]


class Check(Schema):
    """`status` is ok, degraded or error; `detail` gives the reason in one line."""

    model_config = example(_DATABASE)
    status: str
    detail: str


class ReplicaCheck(Check):
    """Only where DATABASE_REPLICA_URL is set."""

    model_config = example(_REPLICA)
    reads_from: Literal["replica", "database"] = Field(description="Source of responses now")
    lag_seconds: float | None = Field(description="Replication lag in seconds; null where unknown")


class Collector(Schema):
    """One collector process, from its heartbeat."""

    name: str
    alive: bool = Field(description="True while it renews its claims")
    seen_at: Time | None
    repositories: int = Field(description="Number of repositories that it collects now")
    state: str | None = Field(description="`stopped` or `stale` where it is not alive; else the state in its heartbeat")
    message: str | None
    stopped_at: Time | None = Field(
        None, description="Time of its orderly stop; left out while it runs and after a crash"
    )


class CollectorCheck(Check):
    model_config = example(_COLLECTOR)
    state: Literal["never", "live", "stale", "stopped"] | None = Field(
        None, description="State of all collectors; `stale`: no heartbeat, and no orderly stop"
    )
    seen_at: Time | None = None
    stopped_at: Time | None = Field(None, description="Time of the last orderly stop; null while a collector runs")
    synced_at: Time | None = Field(None, description="The oldest of the latest syncs of the repositories")
    catching_up: int | None = Field(None, description="Number of repositories whose backfill or jobs are not complete")
    repositories: int | None = Field(None, description="Number of monitored repositories")
    collectors: list[Collector] = Field(default=[], description="Collectors of the last hour")


class InboxCheck(Check):
    """Queue of webhook deliveries."""

    model_config = example(_INBOX)
    waiting: int | None = Field(None, description="Deliveries that are not applied yet")
    failed: int | None = Field(None, description="Deliveries from the last 7 days that could not be applied")
    oldest_seconds: float | None = Field(None, description="Age of the oldest waiting delivery; null if none waits")


class Checks(Schema):
    database: Check
    replica: ReplicaCheck | None = Field(None, description="Left out without a replica")
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
