"""The effect that an own rule would have on the stored failures, without saving the rule."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row
from sqlalchemy.orm import Session

from db.definitions.scope import Window
from db.time_limit import TimeLimitExceeded
from health.insights.causes import rule_queries as queries
from health.insights.causes.model import CauseClass, stored_class
from health.insights.causes.rule_causes import Causes
from health.insights.causes.rule_queries import Key
from health.insights.causes.rules import CauseRule, RuleMatch, RuleSet
from health.insights.causes.stored_rules import list_rules

DEFAULT_DAYS, MAX_DAYS = 30, 400
# Seconds of reading logs.
TIME_LIMIT = 2.5
MAX_CAUSES, MAX_LINES = 10, 10
# Logs whose jobs are compared with the rule at once, and logs whose texts are read at once.
_KEYS, _TEXTS = 512, 32


@dataclass(frozen=True)
class PreviewedCause:
    """A cause that matching jobs have now; all but `jobs` are null for jobs without a cause."""

    fingerprint: str | None
    kind: CauseClass | None
    line: str | None
    jobs: int


@dataclass(frozen=True)
class ClassChange:
    """Matching jobs by their class now (null: no cause) and with the rule; both can be equal."""

    before: CauseClass | None
    after: CauseClass
    jobs: int


@dataclass(frozen=True)
class PreviewedLine:
    """The first matching line of a job. `line_number` counts from 1; null for a line that is no line of the log.
    `before`: the class of its cause now."""

    repo: str
    workflow: str
    run_id: int
    run_number: int
    attempt: int
    job_id: int
    job: str
    created_at: datetime
    line: str
    line_number: int | None
    before: CauseClass | None


@dataclass(frozen=True)
class RulePreview:
    """Failed jobs of the window that match a rule, and their runs. `older_rules`: jobs among them that an older rule
    matches, too; its cause stays. `causes`: the MAX_CAUSES most frequent ones that the jobs have now, of
    `total_causes`. `classes`: the most frequent change first. `lines`: of the newest jobs.

    Of the failed jobs that the rule covers: `searched` have a searched log; of `excerpts` only the excerpt and the
    lines of the causes were searched; `unread`, at most, were not reached within the time limit (`is_partial`);
    `without_log` have no stored log, so that they can match or not. The counts are null if counting took too long."""

    window: Window
    jobs: int
    runs: int
    older_rules: int
    causes: list[PreviewedCause]
    total_causes: int
    classes: list[ClassChange]
    lines: list[PreviewedLine]
    searched: int | None
    excerpts: int | None
    without_log: int | None
    unread: int
    is_partial: bool


def preview_rule(
    session: Session, rule: CauseRule, now: datetime, *, days: int = DEFAULT_DAYS, seconds: float = TIME_LIMIT
) -> RulePreview:
    """The preview of a validated rule over the runs of the last `days`, newest first; reads logs for `seconds`. A rule
    with an id replaces the stored one; a disabled rule is evaluated as if it were enabled."""
    window = Window(now - timedelta(days=days), now + timedelta(seconds=1))
    preview = _Preview(session, rule, time.monotonic() + seconds)
    unread_logs = preview.search(preview.stored_logs(window), queries.IS_STORED)
    excerpts = preview.excerpts(window)
    counts = queries.count_jobs(session, rule, window)
    if excerpts is None:
        unread_excerpts = counts.excerpts if counts else 0
    else:
        unread_excerpts = preview.search(excerpts, queries.HAS_EXCERPT)
    return RulePreview(
        window=window,
        jobs=preview.jobs,
        runs=len(preview.runs),
        older_rules=preview.older_rules,
        causes=[
            PreviewedCause(fingerprint, *preview.described[fingerprint], jobs)
            for fingerprint, jobs in preview.causes.most_common(MAX_CAUSES)
        ],
        total_causes=len(preview.causes),
        classes=[ClassChange(*change, jobs) for change, jobs in preview.classes.most_common()],
        lines=preview.lines,
        searched=max(counts.stored - unread_logs, 0) if counts else None,
        excerpts=max(counts.excerpts - unread_excerpts, 0) if counts else None,
        without_log=counts.without_log if counts else None,
        unread=unread_logs + unread_excerpts,
        is_partial=preview.is_time_up,
    )


class _TimeUp(Exception):
    pass


@dataclass
class _Preview:
    session: Session
    rule: CauseRule
    deadline: float
    jobs: int = 0
    older_rules: int = 0
    is_time_up: bool = False
    runs: set[Key] = field(default_factory=set)
    causes: Counter[str | None] = field(default_factory=Counter)
    described: dict[str | None, tuple[CauseClass | None, str | None]] = field(default_factory=dict)
    classes: Counter[tuple[CauseClass | None, CauseClass]] = field(default_factory=Counter)
    lines: list[PreviewedLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        rule_id = self.rule.id
        self._rules = RuleSet([replace(self.rule, enabled=True)])
        # A new rule is the youngest.
        older = [other for other in list_rules(self.session) if rule_id is None or (other.id or 0) < rule_id]
        self._older = RuleSet(older)

    def stored_logs(self, window: Window) -> list[Key]:
        """Those that may match, newest run first."""
        logs = queries.stored_logs(self.session, self.rule, window)
        try:
            logs |= queries.annotated_logs(self.session, self.rule, window)
        except TimeLimitExceeded:
            self.is_time_up = True
        return sorted(logs, key=lambda key: (logs[key], key[1]), reverse=True)

    def excerpts(self, window: Window) -> list[Key] | None:
        """Null if listing them takes too long, or if no time remains to search them."""
        try:
            self._check()
            return queries.excerpts(self.session, self.rule, window)
        except (TimeLimitExceeded, _TimeUp):
            self.is_time_up = True
            return None

    def search(self, keys: Sequence[Key], where: ColumnElement[bool]) -> int:
        """Searches the logs; returns the number of those that were not reached, including logs of other jobs."""
        for first in range(0, len(keys), _KEYS):
            if time.monotonic() >= self.deadline:
                self.is_time_up = True
                return len(keys) - first
            covered = queries.covered_jobs(self.session, self.rule, keys[first : first + _KEYS], where)
            read = self._search_batch(covered)
            if read < len(covered):
                return len(covered) - read + max(len(keys) - first - _KEYS, 0)
        return 0

    def _search_batch(self, keys: Sequence[Key]) -> int:
        """The number of logs that were searched."""
        read = 0
        try:
            for first in range(0, len(keys), _TEXTS):
                batch = keys[first : first + _TEXTS]
                rows, stored = queries.read_logs(self.session, batch), queries.read_causes(self.session, batch)
                for key in batch:
                    self._check()
                    if key in rows:
                        self._match(rows[key], stored[key] or queries.cause_of_log(rows[key]))
                    read += 1
        except _TimeUp:
            self.is_time_up = True
        return read

    def _check(self) -> None:
        if time.monotonic() >= self.deadline:
            raise _TimeUp

    def _match(self, row: Row[Any], causes: Causes) -> None:
        job = queries.failed_job(row)
        match = queries.match_stored(self._rules, job, row, causes, self._check)
        if match is not None:
            self._add(row, causes, match, queries.match_stored(self._older, job, row, causes, self._check))

    def _add(self, row: Row[Any], causes: Causes, match: RuleMatch, older: RuleMatch | None) -> None:
        before = stored_class(causes[0].kind) if causes else None
        self.jobs += 1
        self.older_rules += older is not None
        self.runs.add((row.repository_id, row.run_id))
        self.causes[row.fingerprint] += 1
        self.described.setdefault(row.fingerprint, (before, row.error_line))
        self.classes[before, (older or match).rule.kind] += 1
        if len(self.lines) < MAX_LINES:
            names = ("repo", "workflow", "run_id", "run_number", "attempt", "job_id", "job", "created_at")
            shown = {name: getattr(row, name) for name in names}
            self.lines.append(PreviewedLine(**shown, line=match.line, line_number=match.line_number, before=before))
