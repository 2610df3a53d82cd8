"""What a rule would have done in the last 30 days, before it is saved: by the same pure rules, over what is stored."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import Outcome, RuleKind
from health.alerts.measurement.branch_history import Past, past_runs, workflow_keys
from health.alerts.measurement.measurements import branch_scopes, covered
from health.alerts.rules.conditions import LOOK_BACK
from health.alerts.rules.history import Episode, PastRun, replayed
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Place, matches
from health.metrics.queries.branch_status import inactive_workflows
from health.metrics.queries.job_queries import list_waits

SPAN = timedelta(days=30)
# Runs that one replay reads: a few seconds' worth. Of more, the newest.
MOST_RUNS = 200_000
# What a rule without a window needs to know from before.
_LEAD = timedelta(days=7)
_LISTED = 200
_UNKNOWN = {
    RuleKind.COLLECTOR_STALE: "How fresh the data was is not kept: this rule cannot be replayed.",
    RuleKind.MISSING_RUN: "Schedules of the past are not kept: this rule cannot be replayed.",
}


@dataclass(frozen=True)
class Replayed:
    """One time that the rule would have fired. `resolved_at` null: it still would. `value`: the measure that opened
    it; `run_id`: the run whose end did."""

    place: Place
    opened_at: datetime
    resolved_at: datetime | None
    value: float
    run_id: int | None


@dataclass(frozen=True)
class Replay:
    """`fired` times in [since, until), of which `items` are the newest. `since` is later than asked for where more runs
    were stored than are read; `note` says so, or why nothing can be said."""

    fired: int
    items: list[Replayed]
    since: datetime
    until: datetime
    runs: int
    note: str | None


def replay(session: Session, rule: Rule, now: datetime, *, span: timedelta = SPAN, limit: int = MOST_RUNS) -> Replay:
    since = now - span
    if rule.kind in _UNKNOWN:
        return Replay(0, [], since, now, 0, _UNKNOWN[rule.kind])
    past = _past(session, rule, since, now, limit)
    # Without its lead the first days would be seen with half a window.
    begun = since if past.whole else min(max(since, past.since + _lead(rule)), now)
    workflows, repositories = workflow_keys(session), {row.id: row for row in covered(session, rule)}
    inactive = inactive_workflows(session) if rule.kind is not RuleKind.STUCK_RUN else frozenset()
    found = []
    for each in replayed(rule, past.runs, begun.timestamp(), now.timestamp()):
        repository_id, workflow_id, branch = each.key
        repository = repositories.get(repository_id)
        workflow = workflows.get((repository_id, workflow_id))
        if repository and (repository_id, workflow_id) not in inactive and rule.covers(repository.repo, workflow):
            shown = branch or (repository.default_branch if rule.default_branch else None)
            place = Place(repository_id, repository.repo, workflow_id or None, workflow, shown, bool(branch))
            found.append(_replayed(place, each))
    note = None if past.whole else f"Only the newest {limit:,} runs were read: since {begun:%d %b %Y, %H:%M} UTC."
    return Replay(len(found), found[:_LISTED], begun, now, len(past.runs), note)


def _past(session: Session, rule: Rule, since: datetime, now: datetime, limit: int) -> Past:
    since -= _lead(rule)
    if rule.kind is RuleKind.QUEUE_TIME:
        return _past_waits(session, rule, since, now, limit)
    if rule.default_branch:
        repositories = covered(session, rule)
        if not repositories:
            return Past([], since, True)
        # How certain a fall must be depends on all workflows, not on those of the rule alone.
        everywhere = not rule.scope.repos or rule.kind is RuleKind.SUCCESS_REGRESSION
        scope = Scope(repos=() if everywhere else tuple(row.repo for row in repositories))
        return past_runs(session, scope, since, now, default_branch=True, limit=limit)
    for scope, _ in branch_scopes(session, rule, since):
        past = past_runs(session, scope, since, now, default_branch=False, limit=limit)
        if rule.any_branch:
            return past
        kept = [run for run in past.runs if matches(rule.scope.branches, run.branch)]
        return Past(kept, past.since, past.whole)
    return Past([], since, True)


def _past_waits(session: Session, rule: Rule, since: datetime, now: datetime, limit: int) -> Past:
    """A job is known from its start on."""
    most_runs = limit // _JOBS_A_RUN
    waits = [
        PastRun(job.repository_id, job.workflow_id, job.branch, Outcome.SUCCESS, job.queued, None,
                job.queued + job.seconds, None, job.seconds, False, job.run_id, job.label)
        for scope, _ in branch_scopes(session, rule, since)
        for job in list_waits(session, scope, Window(since, now), most_runs=most_runs) if job.seconds is not None
    ]  # fmt: skip
    runs = {(wait.repository_id, wait.id) for wait in waits}
    whole = len(runs) < most_runs
    reached = since if whole else datetime.fromtimestamp(min(wait.created for wait in waits), UTC)
    return Past(waits, reached, whole)


# In the middle, for how much one replay reads.
_JOBS_A_RUN = 5


def _lead(rule: Rule) -> timedelta:
    if rule.kind in (RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION):
        return timedelta(seconds=LOOK_BACK)
    return timedelta(seconds=rule.window) if rule.window else _LEAD


def _replayed(place: Place, each: Episode) -> Replayed:
    opened = datetime.fromtimestamp(each.opened, UTC)
    resolved = None if each.resolved is None else datetime.fromtimestamp(each.resolved, UTC)
    return Replayed(place, opened, resolved, each.value, each.run_id)
