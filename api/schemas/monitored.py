"""Repositories, workflows and health."""

from typing import Any

from api.schemas.base import Schema, Time, example

_REPOSITORY: dict[str, Any] = {
    "id": 700100200, "repo": "acme/web-app", "default_branch": "main", "private": False, "archived": False,
    "monitored": True, "html_url": "https://github.com/acme/web-app", "complete_since": "2026-10-24T12:00:00Z",
    "synced_at": "2026-11-23T12:00:00Z", "error": None, "error_at": None, "gaps": [],
}  # fmt: skip
_WORKFLOW: dict[str, Any] = {
    "id": 90001001, "repo": "acme/web-app", "name": "CI", "path": ".github/workflows/ci.yml", "state": "active",
}  # fmt: skip
_DATABASE: dict[str, Any] = {"status": "ok", "detail": "reachable and migrated"}
_COLLECTOR: dict[str, Any] = {
    "status": "degraded", "detail": "acme/api: GitHub answered 404: it does not exist or the token may not see it",
    "seen_at": "2026-11-23T12:00:04Z", "synced_at": "2026-11-23T12:00:00Z",
}  # fmt: skip


class Repository(Schema):
    model_config = example(_REPOSITORY)
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
    model_config = example({"items": [_REPOSITORY]})
    items: list[Repository]


class Workflow(Schema):
    model_config = example(_WORKFLOW)
    id: int
    repo: str
    name: str
    path: str
    state: str


class Workflows(Schema):
    model_config = example({"items": [_WORKFLOW]})
    items: list[Workflow]


class Check(Schema):
    """`status` is ok, degraded or error; `detail` says why in one line."""

    model_config = example(_DATABASE)
    status: str
    detail: str


class CollectorCheck(Check):
    model_config = example(_COLLECTOR)
    seen_at: Time | None = None
    synced_at: Time | None = None


class Checks(Schema):
    database: Check
    collector: CollectorCheck


class Health(Schema):
    model_config = example(
        {"status": "degraded", "version": "0.1.0", "checks": {"database": _DATABASE, "collector": _COLLECTOR}}
    )
    status: str
    version: str
    checks: Checks


class Alive(Schema):
    model_config = example({"status": "ok"})
    status: str
