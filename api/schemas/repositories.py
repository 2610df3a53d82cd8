"""Monitored repositories and the completeness of their stored data."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from api.schemas.base import Schema, Time, example
from db.enums import CompletenessState, ErrorCode, Liveness
from db.repositories.repository_queries import HeartbeatRow, TargetRow
from health.completeness.collector_status import liveness
from health.completeness.descriptions import Tone, completeness_status, remediation
from health.completeness.repository_completeness import RepositoryCompleteness, backfill_progress, completeness_totals

_FORBIDDEN_ERROR = "GitHub refuses it (403): Resource not accessible by personal access token"
_HISTORY: dict[str, Any] = {"done": 12400, "expected": 61000, "share": 0.203, "seconds_left": 910.0}
_REPOSITORY: dict[str, Any] = {
    "id": 700100200, "repo": "acme/web-app", "default_branch": "main", "private": False, "archived": False,
    "monitored": True, "html_url": "https://github.com/acme/web-app", "state": "gaps",
    "complete_since": "2026-10-24T12:00:00Z", "covered_to": "2026-11-23T11:58:40Z",
    "synced_at": "2026-11-23T12:00:00Z", "relooked_deep_at": "2026-11-23T02:10:12Z",
    "audited_at": "2026-11-23T11:30:02Z", "error": None, "error_at": None, "actions_missing_since": None,
    "advice": None,
    "gaps": [
        {"kind": "run_numbers", "detail": "run numbers 118–121 of CI are missing; they are being requested from GitHub",
         "since": "2026-11-03T10:02:11Z", "until": "2026-11-03T10:40:57Z"},
    ],
    "runs": 4210, "runs_without_jobs": 0, "runs_absent": 2,
    "logs": {"pending": 1, "expired": 14, "missing": 3}, "history": _HISTORY,
}  # fmt: skip
_SUMMARY: dict[str, Any] = {
    "complete": False, "headline": "1 of 41 repositories cannot be synced, 3 have gaps",
    "detail": "The other 37 repositories are complete since 24 Oct 2026. Last sync 12 s ago.",
    "states": {"complete": 35, "archived": 2, "no_actions": 0, "catching_up": 0, "gaps": 3, "failing": 1},
    "history": _HISTORY,
}  # fmt: skip
_UNREADABLE: dict[str, Any] = {
    "name": "acme/old-name",
    "error": _FORBIDDEN_ERROR,
    "advice": remediation(ErrorCode.FORBIDDEN),
    "checked_at": "2026-11-23T12:00:00Z",
}


class RepositoryGap(Schema):
    kind: str = Field(
        description="error, capped, unreadable, run_numbers, history, jobs, job_lists, pruned or uncounted; more: "
        "several gaps that are not listed"
    )
    detail: str
    since: Time | None = Field(description="Start of the affected runs, by created_at; null: unbounded")
    until: Time | None = Field(description="End of the affected runs, by created_at; null: unbounded")


class LogCounts(Schema):
    """Requested logs that are not stored."""

    pending: int = Field(description="Not fetched yet")
    expired: int = Field(description="Deleted by GitHub before they were fetched")
    missing: int = Field(description="GitHub has no log of the job, or did not return it")


class History(Schema):
    """Progress of the backfill, in runs."""

    done: int
    expected: int | None = Field(description="Approximate number of runs, as GitHub reports it; null where unknown")
    share: float = Field(description="Completed share, from 0 to 1")
    seconds_left: float | None = Field(description="Estimate from the speed so far; null while unknown")


class Repository(Schema):
    model_config = example(_REPOSITORY)
    id: int
    repo: str
    default_branch: str
    private: bool
    archived: bool
    monitored: bool
    html_url: str
    state: CompletenessState = Field(
        description="complete; archived: complete, and archived on GitHub; no_actions: GitHub Actions is not "
        "available; catching_up: missing data is being collected; gaps: data is known to be missing; failing: the "
        "repository cannot be synced"
    )
    complete_since: Time | None = Field(
        description="Every run created from this time to `covered_to` is stored, except for `gaps`; null: not yet known"
    )
    covered_to: Time | None
    synced_at: Time | None = Field(description="Latest sync of the newest runs")
    relooked_deep_at: Time | None = Field(
        description="Latest rescan of the last 31 days of runs; it picks up late changes and re-runs"
    )
    audited_at: Time | None = Field(description="Latest audit of run numbers")
    error: str | None = Field(description="Error of the latest sync; null if it succeeded")
    error_at: Time | None
    actions_missing_since: Time | None = Field(
        description="The repository has had no GitHub Actions since this time, so that there is nothing to collect; "
        "else null"
    )
    advice: str | None = Field(description="Remedy for the error")
    gaps: list[RepositoryGap] = Field(description="Missing data, the most severe first")
    runs: int
    runs_without_jobs: int = Field(description="Completed runs whose jobs are not fetched yet")
    runs_absent: int = Field(
        description="Run numbers that do not exist on GitHub: the runs were deleted or never created"
    )
    logs: LogCounts
    history: History | None = Field(description="Progress of the backfill; null while none is running")

    @classmethod
    def from_completeness(cls, completeness: RepositoryCompleteness, now: datetime) -> Self:
        return cls.from_row(
            completeness,
            relooked_deep_at=completeness.rescanned_deep_at,
            advice=remediation(completeness.error_code) if completeness.error else None,
            history=backfill_progress([completeness], now),
        )


class Summary(Schema):
    model_config = example(_SUMMARY)
    complete: bool = Field(description="No data is known to be missing, and a collector is running")
    headline: str
    detail: str
    states: dict[str, int] = Field(description="Number of repositories by state")
    history: History | None = Field(description="Progress of all backfills together; null while none is running")

    @classmethod
    def from_completeness(
        cls,
        repositories: Sequence[RepositoryCompleteness],
        unresolved: int,
        now: datetime,
        heartbeat: HeartbeatRow | None,
    ) -> Self:
        """`unresolved`: the number of names in GITHUB_REPOS that lead to no repository. `heartbeat`: the latest one of
        the collectors; null before the first."""
        status = completeness_status(
            repositories,
            unresolved,
            now,
            is_stale=liveness(heartbeat, now) is not Liveness.LIVE,
            stopped_at=heartbeat.stopped_at if heartbeat else None,
        )
        totals = completeness_totals(repositories, unresolved, now)
        return cls.from_row(status, complete=status.tone == Tone.GOOD, states=totals.states, history=totals.backfill)


class Unreadable(Schema):
    """An entry of GITHUB_REPOS that does not resolve to a repository."""

    model_config = example(_UNREADABLE)
    name: str
    error: str
    advice: str
    checked_at: Time

    @classmethod
    def from_target(cls, target: TargetRow) -> Self:
        return cls.from_row(target, advice=remediation(target.error_code))


class Repositories(Schema):
    model_config = example({"items": [_REPOSITORY], "unreadable": [_UNREADABLE], "summary": _SUMMARY})
    items: list[Repository]
    unreadable: list[Unreadable]
    summary: Summary

    @classmethod
    def from_completeness(
        cls,
        repositories: Sequence[RepositoryCompleteness],
        unresolved: Sequence[TargetRow],
        now: datetime,
        heartbeat: HeartbeatRow | None,
    ) -> Self:
        return cls(
            items=[Repository.from_completeness(repository, now) for repository in repositories],
            unreadable=[Unreadable.from_target(target) for target in unresolved],
            summary=Summary.from_completeness(repositories, len(unresolved), now, heartbeat),
        )
