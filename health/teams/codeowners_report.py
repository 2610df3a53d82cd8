"""What is known about the CODEOWNERS files of repositories, for pages and the doctor."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.formatting import pluralize
from db.enums import CodeownersState
from db.models import CodeownersFile, Repository
from db.sql import execute
from health.teams.codeowners import MAX_PROBLEMS, Problem, parse

# Lines that are listed one by one.
_MAX_LISTED = 5


@dataclass(frozen=True)
class CodeownersReport:
    """The file of one repository. `problems`: the lines that GitHub skips, at most 100. `error`: why the last attempt
    to read it failed."""

    state: CodeownersState
    path: str | None
    error: str | None
    checked_at: datetime
    rules: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def text(self) -> str:
        """One sentence."""
        if self.state is CodeownersState.ABSENT:
            return "The repository has no CODEOWNERS file."
        if self.state is CodeownersState.UNREADABLE:
            return f"The CODEOWNERS file cannot be read, so the owners are unknown: {self.error}."
        failed = f" It could not be read again: {self.error}." if self.error else ""
        return f"{self.path} has {pluralize(self.rules, 'rule')}.{failed}"

    @property
    def problem_text(self) -> str:
        """The skipped lines in one sentence; empty without any."""
        if not self.problems:
            return ""
        shown = "; ".join(str(problem) for problem in self.problems[:_MAX_LISTED])
        more = len(self.problems) - _MAX_LISTED
        at_least = "at least " if len(self.problems) >= MAX_PROBLEMS else ""
        lines = f"{at_least}{pluralize(len(self.problems), 'line')}"
        return f"GitHub skips {lines}: {shown}{f'; {more} more' if more > 0 else ''}."


def codeowners_report(session: Session, repository_id: int) -> CodeownersReport | None:
    """Null if the file was never read."""
    row = session.get(CodeownersFile, repository_id)
    return _report(row) if row is not None else None


def skipped_lines(session: Session) -> Iterator[tuple[str, CodeownersReport]]:
    """Monitored repositories, by name, whose file has lines that GitHub skips."""
    query = (
        select(Repository.full_name, Repository.id)
        .join(CodeownersFile, CodeownersFile.repository_id == Repository.id)
        .where(Repository.monitored, CodeownersFile.state == CodeownersState.READ)
    )
    for repo, repository_id in sorted(execute(session, query), key=lambda row: str(row[0]).casefold()):
        report = codeowners_report(session, repository_id)
        if report is not None and report.problems:
            yield repo, report
        session.expunge_all()


def _report(row: CodeownersFile) -> CodeownersReport:
    codeowners = parse(row.content or "")
    return CodeownersReport(
        CodeownersState(row.state), row.path, row.error, row.checked_at, len(codeowners.rules), codeowners.problems
    )
