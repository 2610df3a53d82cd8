"""The set-up report: whether the credentials for GitHub work, and which repositories they can read.

The collector stores it while GITHUB_REPOS is empty. The first start with repositories deletes it, also from the
database of the demo: the names of private repositories are of use only to choose from them. The report contains no
secret.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from db.collection.sync_state import record_heartbeat
from db.models import Heartbeat
from db.visibility import is_restricted

# The name of its row in the table heartbeats.
SETUP_HEARTBEAT = "setup"
MAX_SETUP_REPOSITORIES = 2_000


@dataclass(frozen=True)
class SetupCheck:
    """`ok` is null if there is nothing to check. `detail`: one line for people."""

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True)
class SetupRepository:
    repo: str
    private: bool = False
    archived: bool = False


@dataclass(frozen=True)
class SetupReport:
    """`repositories`: at most MAX_SETUP_REPOSITORIES in the order of GitHub, which is by the last push for a token, and
    not defined for a GitHub App; `truncated` if there are more."""

    checks: tuple[SetupCheck, ...]
    repositories: tuple[SetupRepository, ...] = ()
    truncated: bool = False

    @property
    def ok(self) -> bool:
        return all(check.ok is not False for check in self.checks)


@dataclass(frozen=True)
class StoredSetupReport:
    checked_at: datetime
    report: SetupReport


def store_setup_report(session: Session, report: SetupReport, now: datetime) -> None:
    record_heartbeat(session, now, asdict(report), name=SETUP_HEARTBEAT)


def delete_setup_report(session: Session) -> None:
    session.execute(delete(Heartbeat).where(Heartbeat.name == SETUP_HEARTBEAT))


def read_setup_report(session: Session) -> StoredSetupReport | None:
    """Null if there is none. A restricted session has the checks without the names of repositories."""
    row = session.get(Heartbeat, SETUP_HEARTBEAT, populate_existing=True)
    if row is None:
        return None
    report = _from_detail(row.detail)
    return StoredSetupReport(row.seen_at, replace(report, repositories=()) if is_restricted(session) else report)


def _from_detail(detail: Mapping[str, Any]) -> SetupReport:
    checks = [item for item in detail.get("checks") or () if isinstance(item, dict)]
    repositories = [item for item in detail.get("repositories") or () if isinstance(item, dict)]
    return SetupReport(
        tuple(SetupCheck(str(item.get("name")), item.get("ok"), str(item.get("detail"))) for item in checks),
        tuple(
            SetupRepository(str(item.get("repo")), bool(item.get("private")), bool(item.get("archived")))
            for item in repositories
        ),
        bool(detail.get("truncated")),
    )
