"""Repositories, and how complete what is stored of them is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Time, example
from db.enums import CompletenessState, ErrorCode, Liveness
from db.repositories.repository_queries import HeartbeatRow, TargetRow
from health.completeness.collection_status import liveness
from health.completeness.descriptions import Tone, completeness_status, remediation
from health.completeness.status import RepositoryCompleteness, backfill_progress, completeness_totals

_REFUSED = "GitHub refuses it (403): Resource not accessible by personal access token"
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
    "complete": False, "headline": "1 of 41 repositories cannot be read, 3 have gaps",
    "detail": "The other 37 repositories are complete since 24 Oct 2026. Last sync 12 s ago.",
    "states": {"complete": 35, "archived": 2, "no_actions": 0, "catching_up": 0, "gaps": 3, "failing": 1},
    "history": _HISTORY,
}  # fmt: skip
_UNREADABLE: dict[str, Any] = {
    "name": "acme/old-name", "error": _REFUSED, "advice": remediation(ErrorCode.FORBIDDEN),
    "checked_at": "2026-11-23T12:00:00Z",
}  # fmt: skip


class RepositoryGap(Schema):
    kind: str = Field(
        description="error, capped, unreadable, run_numbers, history, jobs, job_lists, pruned or uncounted; more: "
        "several that are not listed"
    )
    detail: str
    since: Time | None = Field(description="Of runs created from here; null: open on this side")
    until: Time | None = Field(description="Of runs created up to here; null: open on this side")


class LogCounts(Schema):
    """Logs that were asked for and are not there."""

    pending: int = Field(description="Being fetched")
    expired: int = Field(description="GitHub had deleted them")
    missing: int = Field(description="GitHub has none, or did not give it")


class History(Schema):
    """History that is being read, in runs."""

    done: int
    expected: int | None = Field(description="About as many as GitHub said there are; null where it did not")
    share: float = Field(description="How much was read, from 0 to 1")
    seconds_left: float | None = Field(description="At the speed so far; null while that is not known")


class Repository(Schema):
    model_config = example(_REPOSITORY)
    id: int
    repo: str
    default_branch: str
    private: bool
    archived: bool
    monitored: bool
    html_url: str
    state: CompletenessState = Field(description="complete; archived: complete, too; no_actions: there are no Actions; "
                               "catching_up: the rest comes by itself; "
                               "gaps: something is known to be missing; failing: it cannot be read now")  # fmt: skip
    complete_since: Time | None = Field(
        description="Every run created from then to covered_to is stored, but for the gaps; null: not yet"
    )
    covered_to: Time | None
    synced_at: Time | None = Field(description="Last look at the newest runs")
    relooked_deep_at: Time | None = Field(description="Last look through all runs of 31 days, for late changes")
    audited_at: Time | None = Field(description="Last comparison of run numbers")
    error: str | None = Field(description="What the last look ended with; null where it went well")
    error_at: Time | None
    actions_missing_since: Time | None = Field(
        description="GitHub shows the repository and has no Actions there since then: nothing to collect; else null"
    )
    advice: str | None = Field(description="What to do about the error")
    gaps: list[RepositoryGap] = Field(description="Known to be missing, the worst first")
    runs: int
    runs_without_jobs: int = Field(description="Ended runs whose jobs are still to be fetched")
    runs_absent: int = Field(description="Run numbers that GitHub does not have: deleted there, or never made")
    logs: LogCounts
    history: History | None = Field(description="Null while none is read")


class Summary(Schema):
    model_config = example(_SUMMARY)
    complete: bool = Field(description="Nothing is known to be missing of any of them, and a collector is at work")
    headline: str
    detail: str
    states: dict[str, int] = Field(description="Repositories by state")
    history: History | None


class Unreadable(Schema):
    """A name of GITHUB_REPOS that led to no repository."""

    model_config = example(_UNREADABLE)
    name: str
    error: str
    advice: str
    checked_at: Time


class Repositories(Schema):
    model_config = example({"items": [_REPOSITORY], "unreadable": [_UNREADABLE], "summary": _SUMMARY})
    items: list[Repository]
    unreadable: list[Unreadable]
    summary: Summary


def repository_fields(
    ledgers: Sequence[RepositoryCompleteness],
    unresolved: Sequence[TargetRow],
    now: datetime,
    *,
    heartbeat: HeartbeatRow | None,
) -> dict[str, Any]:
    """Ready for Repositories; `beat`: the last sign of life of the collectors."""
    return {
        "items": [_repository(each, now) for each in ledgers],
        "unreadable": [
            {
                "name": each.name,
                "error": each.error,
                "advice": remediation(each.error_code),
                "checked_at": each.checked_at,
            }
            for each in unresolved
        ],
        "summary": _summary(ledgers, len(unresolved), now, heartbeat),
    }


def _repository(ledger: RepositoryCompleteness, now: datetime) -> dict[str, Any]:
    same = ("id", "repo", "default_branch", "private", "archived", "monitored", "html_url", "state", "complete_since",
            "covered_to", "synced_at", "audited_at", "error", "error_at", "actions_missing_since",
            "gaps", "runs", "runs_absent", "logs")  # fmt: skip
    return {name: getattr(ledger, name) for name in same} | {
        "advice": remediation(ledger.error_code) if ledger.error else None,
        "relooked_deep_at": ledger.rescanned_deep_at,
        "runs_without_jobs": ledger.runs_without_jobs,
        "history": backfill_progress([ledger], now),
    }


def _summary(
    ledgers: Sequence[RepositoryCompleteness], unresolved: int, now: datetime, heartbeat: HeartbeatRow | None
) -> dict[str, Any]:
    silent, stopped_at = liveness(heartbeat, now) is not Liveness.LIVE, heartbeat.stopped_at if heartbeat else None
    said = completeness_status(ledgers, unresolved, now, is_stale=silent, stopped_at=stopped_at)
    counted = completeness_totals(ledgers, unresolved, now)
    return {
        "complete": said.tone == Tone.GOOD,
        "headline": said.headline,
        "detail": said.detail,
        "states": counted.states,
        "history": counted.backfill,
    }
