"""What stands behind an alert besides its figures: the runs to look at, and the error they ended with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.alerting.place import Place
from db.alerting.rule import Rule
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.observations import Observation
from db.queries.findings import list_flaky
from db.queries.logs import failure_of
from db.queries.runs import RunRow, failed_between, list_runs, list_runs_of
from db.vocabulary import RuleKind

SPAN = timedelta(days=30)
_SECOND = timedelta(seconds=1)
_SEEN = {RuleKind.STUCK_RUN: "Stuck run", RuleKind.DURATION_REGRESSION: "First slow run"}
# What a rule without a window of its own looks back on.
_LOOK_BACK = {RuleKind.SUCCESS_REGRESSION: timedelta(days=7)}


@dataclass(frozen=True)
class Evidence:
    """`first` is where it began, and `label` says what that is; `last` the newest run of the kind, `cause` the
    fingerprint that its error has elsewhere. What is not known is null."""

    label: str = ""
    first: RunRow | None = None
    last: RunRow | None = None
    error_line: str | None = None
    cause: str | None = None


NOTHING_SEEN = Evidence()


def find(session: Session, rule: Rule, place: Place, seen: Observation | None, now: datetime) -> Evidence:
    if seen and seen.streak:
        return _failed(session, "First bad commit", seen.streak.first_bad, seen.streak.runs[-1])
    if rule.kind in _SEEN:
        run = seen.run if seen else None
        return Evidence(_SEEN[rule.kind], run, run)
    scope = scope_of(place)
    window = Window(now - (timedelta(seconds=rule.window) or _LOOK_BACK.get(rule.kind, SPAN)), now + _SECOND)
    if rule.kind in (RuleKind.FAILURE_RATE, RuleKind.ERROR_BUDGET, RuleKind.SUCCESS_REGRESSION):
        found = failed_between(session, scope, window)
        return _failed(session, "First failed run", *found) if found else NOTHING_SEEN
    if rule.kind is RuleKind.FLAKY_RATE:
        flaky = list_flaky(session, scope, window, limit=1)
        run = next(iter(list_runs_of(session, [each.id for each in flaky])), None)
        return Evidence("Latest flaky run", run, run)
    newest = list_runs(session, scope, Window(now - SPAN, now + _SECOND), limit=1).items
    return Evidence("Latest run", None, newest[0] if newest else None)


def scope_of(place: Place) -> Scope:
    return Scope(
        repos=(place.repo,),
        workflows=(str(place.workflow_id),) if place.workflow_id else (),
        branches=(place.branch,) if place.branch else (),
        own_branches=place.branch is not None,
    )


def _failed(session: Session, label: str, first: RunRow, last: RunRow) -> Evidence:
    error_line, cause = failure_of(session, last.id, last.attempt)
    return Evidence(label, first, last, error_line, cause)
