"""A weekly digest as a message for any channel, and as JSON. Pure. Text is plain, because channels escape it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from core.formatting import iso_timestamp
from health.alerts.channels.base import Message
from health.digest.content import DigestCause, WeeklyDigest

_ALL_TEAMS = "all teams"


def digest_message(digest: WeeklyDigest, app_url: str) -> Message:
    """The message with the figures as fields and the lists as lines; it leads to the same figures in the dashboard."""
    subject = f"Weekly digest: {digest.team or _ALL_TEAMS}, {week_text(digest)}"
    lines: list[str] = []
    lines += _section("Worse", digest.worse)
    lines += _section("Better", digest.better)
    lines += _section("Most worth doing", [f"{task.headline} ({task.why})" for task in digest.tasks])
    if digest.new_causes is None:
        lines += ["New failure causes: unknown, because the week before is not completely stored"]
    lines += _section("New failure causes", [cause.text for cause in digest.new_causes or ()])
    lines += _section("Known failure causes", [cause.text for cause in digest.known_causes])
    return Message(
        subject=subject,
        headline=subject,
        fields=(*((figure.label, figure.text) for figure in digest.figures), ("Data", digest.completeness)),
        lines=tuple(lines),
        links=(("Overview", dashboard_url(digest, app_url)), ("Failures", dashboard_url(digest, app_url, "failures"))),
        data={"weekly_digest": digest_json(digest)},
    )


def week_text(digest: WeeklyDigest) -> str:
    """23 Nov 2026 to 29 Nov 2026."""
    last = digest.week + timedelta(days=6)
    return f"{digest.week.day} {digest.week:%b %Y} to {last.day} {last:%b %Y}"


def dashboard_url(digest: WeeklyDigest, app_url: str, page: str = "") -> str:
    """The address of a page with the runs of the digest."""
    query = {"since": iso_timestamp(digest.window.since), "until": iso_timestamp(digest.window.until)}
    team = {"team": digest.team} if digest.team else {}
    return f"{app_url.rstrip('/')}/{page}?{urlencode({**team, **query})}"


def digest_json(digest: WeeklyDigest) -> dict[str, Any]:
    """The digest for programs; the body of GET /api/digest."""
    return {
        "team": digest.team,
        "week": digest.week.isoformat(),
        "since": iso_timestamp(digest.window.since),
        "until": iso_timestamp(digest.window.until),
        "figures": [
            {
                "name": figure.name,
                "label": figure.label,
                "current": figure.current,
                "previous": figure.previous,
                "change": figure.change,
                "is_improvement": figure.is_improvement,
            }
            for figure in digest.figures
        ],
        "worse": list(digest.worse),
        "better": list(digest.better),
        "tasks": [
            {"headline": task.headline, "why": task.why, "run_id": task.run_id, "alert_id": task.alert_id}
            for task in digest.tasks
        ],
        "new_causes": None if digest.new_causes is None else [_cause(cause) for cause in digest.new_causes],
        "known_causes": [_cause(cause) for cause in digest.known_causes],
        "completeness": digest.completeness,
        "is_complete": digest.is_complete,
    }


def _cause(cause: DigestCause) -> dict[str, Any]:
    return {"cause_id": cause.fingerprint, "line": cause.line, "runs": cause.runs, "known": cause.known or None}


def _section(title: str, items: Sequence[str]) -> list[str]:
    """The lines of a list, with its title; none for an empty list."""
    if len(items) == 1:
        return [f"{title}: {items[0]}"]
    return [f"{title}:", *(f"• {item}" for item in items)] if items else []
