"""A database in which everything about one repository of two contains the same word: it belongs to a private team."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from db.audit import COMMAND
from db.definitions.records import WorkflowRecord
from db.engine import write_scope
from db.enums import RuleKind
from db.models import (
    Alert,
    AlertRule,
    AlertSilence,
    AuditEvent,
    JobCause,
    Notification,
    SavedView,
    StoredCauseRule,
    Target,
)
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import AlertScope, open_alert
from health.teams.service import save_team
from tests.builders import NOON, REPO, add_repository, roll_up, run, store_runs
from tests.failed_logs import add_log

MARKER = "zebra"
HIDDEN = f"acme/{MARKER}"
# The ids of what belongs to the hidden repository. Those of the visible one are smaller by HIDDEN_RUN - VISIBLE_RUN.
VISIBLE_RUN, HIDDEN_RUN = 77_300, 154_600
MEMBER, OTHER_MEMBER = "ann@example.com", "bob@example.com"
PRIVATE_TEAM, OPEN_TEAM = "Secret", "Web"


def fill(engine: Engine, now: datetime = NOON) -> None:
    """`now`: when the newest runs are created."""
    _fill_repository(engine, 1, "web", now)
    _fill_repository(engine, 2, MARKER, now)
    with write_scope(engine) as session:
        private = {
            "private": True,
            "repositories": [HIDDEN],
            "members": [MEMBER],
            "workflows": [f"{HIDDEN}: {MARKER}*"],
        }
        save_team(session, PRIVATE_TEAM, private, NOON, actor=COMMAND)
        save_team(session, OPEN_TEAM, {"repositories": ["acme/web"], "members": [OTHER_MEMBER]}, NOON, actor=COMMAND)


def _fill_repository(engine: Engine, number: int, word: str, now: datetime) -> None:
    """Runs, jobs with logs and causes, an alert with a notification, and rules, a silence and a view that name it."""
    repo, url, first = f"acme/{word}", f"https://github.com/acme/{word}", number * VISIBLE_RUN
    record = replace(REPO, id=number, full_name=repo, html_url=url)
    add_repository(engine, record, WorkflowRecord(number * 10, f"{word} CI", f".github/workflows/{word}.yml", "active"))
    named = {
        "workflow_id": number * 10, "workflow_name": f"{word} CI", "title": f"{word} change", "actor": word,
        "html_url": f"{url}/actions/runs/{first}",
    }  # fmt: skip
    minutes = (now - NOON) / timedelta(minutes=1)
    failed = [
        run(
            first + k,
            minutes=minutes - 5 * k - 5,
            conclusion="failure",
            branch="main" if k else f"{word}-branch",
            **named,
        )
        for k in range(5)
    ]
    store_runs(engine, *failed, run(first + 9, minutes=minutes - 60 * 30, **named), repository_id=number)
    roll_up(engine, now)
    for k in range(3):
        add_log(engine, first + k, f"Error: {word} returned 503", repository_id=number, name=f"{word} job")
    with write_scope(engine) as session:
        detail = AlertDetail(since=now, failures=3)
        scope = AlertScope(number, number * 10, RuleKind.CONSECUTIVE_FAILURES)
        alert_id = open_alert(session, scope, "3", detail, now)
        session.add_all([
            Notification(
                alert_id=alert_id, alert_ids=[alert_id], channel="slack", reason="opened", message={"text": word},
                state="dead", error=f"{word} failed", created_at=now, due_at=now,
            ),
            AlertRule(
                name=f"{word} rule", kind="consecutive_failures", open_at=3, per="workflow", repos=[repo],
                workflows=[], branches=[], severity="critical", channels=["slack"], enabled=True, built_in=False,
                created_at=now, updated_at=now,
            ),
            AlertSilence(
                repos=[repo], workflows=[], branches=[], starts_at=now, ends_at=now + timedelta(days=99),
                comment=f"{word} silence", author="ann", created_at=now,
            ),
            SavedView(
                name=f"{word} view", name_key=f"{word} view", description="", page="runs", query=f"repo=acme%2F{word}",
                created_at=now, updated_at=now,
            ),
            StoredCauseRule(
                name=f"{word} cause", pattern=f"{word} returned", is_expression=False, repositories=[repo], jobs=[],
                steps=[], kind="infrastructure", enabled=True, created_at=now, updated_at=now,
            ),
            Target(name=repo, repository_id=number, error=f"{word} error", error_code="missing", checked_at=now),
            AuditEvent(
                at=now, actor="ann", actor_kind="user", origin="dashboard", action="created", subject_kind="rule",
                subject_id=str(number), subject_name=f"{word} rule", after={"repos": [repo]}, repository_id=number,
            ),
        ])  # fmt: skip


def fingerprints(engine: Engine) -> dict[int, str]:
    """A fingerprint of a failure cause of each repository."""
    with write_scope(engine) as session:
        rows = session.execute(select(JobCause.repository_id, JobCause.fingerprint)).all()
    return {row[0]: row[1] for row in rows}


def alert_ids(engine: Engine) -> dict[int, int]:
    """The id of the alert of each repository."""
    with write_scope(engine) as session:
        return {row[0]: row[1] for row in session.execute(select(Alert.repository_id, Alert.id))}


def rule_ids(engine: Engine, *, cause: bool) -> dict[int, int]:
    """The id of the alert rule, or the rule of failure causes, of each repository."""
    model = StoredCauseRule if cause else AlertRule
    with write_scope(engine) as session:
        named = {row.name: row.id for row in session.scalars(select(model))}
    kind = "cause" if cause else "rule"
    return {number: named.get(f"{word} {kind}", 0) for number, word in ((1, "web"), (2, MARKER))}
