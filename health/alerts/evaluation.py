"""Compares what is stored with the rules, and writes alerts and their messages in one transaction."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.collection.claims import Chore, take_turn
from db.engine import write_scope
from db.enums import RuleKind, RuleScope
from db.logs.log_queries import failure_of
from db.repositories.schedules import came_since
from db.runs.run_queries import RunRow
from health.alerts.measurement.branch_history import Since, since_failure
from health.alerts.measurement.measurements import Observation, observe
from health.alerts.notifications import text
from health.alerts.notifications.writer import Item, Teller
from health.alerts.rules.conditions import NOTHING, fires
from health.alerts.rules.rules import Rule, Threshold, built_in
from health.alerts.rules.targets import Place, Quiet, matches, silenced_until
from health.alerts.rules.transitions import Previous, Reason, is_told, needs_update
from health.alerts.storage.alert_queries import AlertRow, firing_alerts
from health.alerts.storage.alert_writes import AlertScope, note_silenced, open_alert, resolve_alert, update_detail
from health.alerts.storage.stored_rules import keep_built_in, list_rules, list_silences
from health.metrics.queries.branch_status import inactive_workflows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unexplained:
    """The latest failed run of an alert about to be told, whose error line is not known yet."""

    repository_id: int
    run_id: int
    attempt: int


@dataclass(frozen=True)
class Evaluated:
    """`told`: how many alerts people are told of. Where some are `unexplained`, nothing was written."""

    opened: int = 0
    resolved: int = 0
    told: int = 0
    unexplained: tuple[Unexplained, ...] = ()


class _NotYet(Exception):
    """Takes back what was written."""

    def __init__(self, unexplained: Sequence[Unexplained]) -> None:
        super().__init__()
        self.unexplained = tuple(unexplained)


class Evaluator:
    """`channels` are the names of the configured ones: a message is written for each that a rule wants."""

    def __init__(
        self,
        engine: Engine,
        threshold: Threshold,
        channels: Sequence[str],
        app_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine, self._threshold, self._clock = engine, threshold, clock
        self._channels = list(channels)
        self._teller = Teller(channels, app_url)
        # Rule to the moment of its last look, and its state then.
        self._looked: dict[int, tuple[datetime, datetime | None]] = {}

    def run(self, *, patient: bool = False) -> Evaluated:
        """All rules that are due. Who is `patient` gets the unexplained ones instead of telling them, and comes again
        when more is known of them, or enough time has passed."""
        looked: dict[int, tuple[datetime, datetime | None]] = {}
        try:
            with write_scope(self._engine) as session:
                # Two who look before either writes would both open the alert.
                take_turn(session, Chore.ALERTS)
                now = self._clock()
                items = self._judged(session, now, looked)
                if patient and self._channels and (unexplained := list(_unexplained(session, items))):
                    raise _NotYet(unexplained)
                self._teller.tell(session, items, now)
        except _NotYet as error:
            return Evaluated(unexplained=error.unexplained)
        # Not before it is written: what was not is looked at again at once.
        self._looked |= looked
        _log([item for item in items if item.changed])
        done = [item.reason for item in items if item.changed]
        return Evaluated(done.count(Reason.FIRST), done.count(Reason.RESOLVED), sum(item.told for item in items))

    def _judged(
        self, session: Session, now: datetime, looked: dict[int, tuple[datetime, datetime | None]]
    ) -> list[Item]:
        keep_built_in(session, built_in(self._threshold), now)
        rules = [rule for rule in list_rules(session) if rule.enabled]
        firing = firing_alerts(session)
        inactive = inactive_workflows(session)
        kept = [alert for alert in firing if not _closed(session, alert, rules, inactive, now)]
        silences = list_silences(session, not_ended_at=now)
        items: list[Item] = []
        for rule in rules:
            if rule.id is not None and self._is_due(rule, now):
                looked[rule.id] = now, rule.updated_at
                ours = {alert.target: alert for alert in kept if alert.rule_id == rule.id}
                items += _Judgement(session, rule, silences, now).of(ours)
        return items

    def _is_due(self, rule: Rule, now: datetime) -> bool:
        """What changes slowly is looked at less often; a rule that was just made or changed at once."""
        looked, updated = self._looked.get(rule.id or 0, (None, None))
        return looked is None or updated != rule.updated_at or now - looked >= timedelta(seconds=rule.spec.every)


def _log(items: Sequence[Item]) -> None:
    for item in items:
        done = "opened" if item.reason is Reason.FIRST else "resolved"
        where = " / ".join(filter(None, (item.place.repo, item.place.workflow, item.place.branch)))
        fields = {"alert_ids": [item.alert_id], "repository": item.place.repo, "outcome": done}
        log.info("alert %s %s: %s, %s", item.alert_id, done, item.rule.name, where, extra=fields)


def _unexplained(session: Session, items: Sequence[Item]) -> Iterator[Unexplained]:
    for item in items:
        run = item.seen.streak.runs[-1] if item.seen and item.seen.streak else None
        if item.told and item.reason is Reason.FIRST and run and failure_of(session, run.id, run.attempt)[0] is None:
            yield Unexplained(item.place.repository_id, run.id, run.attempt)


def _closed(
    session: Session, alert: AlertRow, rules: Sequence[Rule], inactive: Collection[tuple[int, int]], now: datetime
) -> bool:
    """Closes, without a message, what no rule that is switched on is about any more, and what is about a workflow that
    cannot run: no end of it could ever be seen."""
    reason = None
    if (alert.repository_id, alert.workflow_id) in inactive and alert.rule != RuleKind.STUCK_RUN:
        reason = "the workflow was deleted or disabled"
    elif not _is_ruled(alert, rules):
        reason = "the rule changed"
    if reason is None:
        return False
    resolve_alert(session, alert.id, {**alert.detail, "reason": reason}, now)
    return True


def _is_ruled(alert: AlertRow, rules: Sequence[Rule]) -> bool:
    rule = next((each for each in rules if each.id == alert.rule_id and each.kind == alert.rule), None)
    if rule is None or not rule.covers(alert.repo, alert.workflow):
        return False
    about = RuleScope.REPOSITORY if alert.workflow_id is None else RuleScope.WORKFLOW
    branch = rule.kind is not RuleKind.CONSECUTIVE_FAILURES or matches(rule.scope.branches, alert.branch)
    own = rule.default_branch or rule.kind is not RuleKind.CONSECUTIVE_FAILURES or not alert.target.endswith("/")
    return rule.per is about and branch and own


class _Judgement:
    """One look at one rule."""

    def __init__(self, session: Session, rule: Rule, silences: Sequence[Quiet], now: datetime) -> None:
        self._session, self._rule, self._silences, self._now = session, rule, silences, now
        self._repeat = timedelta(seconds=rule.repeat_seconds) if rule.repeat_seconds else None

    def of(self, firing: dict[str, AlertRow]) -> list[Item]:
        seen = {each.place.target(self._rule.id): each for each in observe(self._session, self._rule, self._now)}
        targets = [*seen, *(target for target in firing if target not in seen)]
        found = (self._decide(seen.get(target), firing.get(target)) for target in targets)
        return [item for item in found if item]

    def _decide(self, seen: Observation | None, alert: AlertRow | None) -> Item | None:
        place = seen.place if seen else _place(alert) if alert else None
        if place is None:
            return None
        until = silenced_until(self._silences, self._rule.id, place.repo, place.workflow, place.branch, self._now)
        previous = _previous(alert) if alert else None
        fire = fires(self._rule, seen.measure if seen else NOTHING, firing=alert is not None)
        if fire and alert and seen and self._passed_meanwhile(place, alert, seen):
            # It failed again since: that is another episode, if it comes to one.
            fire = False
        reason = needs_update(previous, fires=fire, now=self._now, silenced=until is not None, repeat=self._repeat)
        told = is_told(reason, previous, silenced=until is not None)
        if alert is None:
            return self._open(seen, until, told=told) if seen and reason is Reason.FIRST else None
        if reason is Reason.RESOLVED:
            return self._close(place, alert, seen, told=told)
        if seen:
            self._keep(alert, seen, until)
        return Item(self._rule, alert.id, place, reason, False, seen, alert) if told else None

    def _open(self, seen: Observation, until: datetime | None, *, told: bool) -> Item:
        rule, place = self._rule, seen.place
        scope = AlertScope(
            place.repository_id, place.workflow_id, rule.kind, place.branch, rule.id, rule.name, rule.severity,
            place.target(rule.id),
        )  # fmt: skip
        alert_id = open_alert(self._session, scope, rule.threshold, seen.detail, self._now, silenced_until=until)
        return Item(rule, alert_id, place, Reason.FIRST, True, seen, None, told=told)

    def _keep(self, alert: AlertRow, seen: Observation, until: datetime | None) -> None:
        if seen.detail != alert.detail:
            update_detail(self._session, alert.id, seen.detail)
        if until != alert.silenced_until:
            note_silenced(self._session, alert.id, until)

    def _close(self, place: Place, alert: AlertRow, seen: Observation | None, *, told: bool) -> Item | None:
        """A broken branch is over with a success. Where there is none because the failed runs are run again or were
        cancelled then, it waits; where it can never come (history was pruned, another branch is the default) it closes
        without a message, and so does a missing run that did not come because its schedule was changed or removed."""
        fixed: RunRow | None = None
        detail = dict(alert.detail)
        if self._rule.kind is RuleKind.CONSECUTIVE_FAILURES:
            since = self._since(place, alert, "first_bad_run")
            # Others may have passed before, when they were run again: what ended it came after the last failure.
            fixed = self._since(place, alert, "last_run").passed or since.passed
            if since.known and fixed is None:
                return None
            detail["resolved_by"] = fixed.id if fixed else None
            told = told and fixed is not None
        elif self._rule.kind is RuleKind.MISSING_RUN and not self._came(place, alert):
            told, detail["reason"] = False, "the schedule changed"
        if not resolve_alert(self._session, alert.id, detail, self._now):
            return None
        return Item(self._rule, alert.id, place, Reason.RESOLVED, True, seen, alert, told=told, fixed=fixed)

    def _came(self, place: Place, alert: AlertRow) -> bool:
        due = text.began(alert.detail)
        return due is not None and came_since(self._session, place.repository_id, place.workflow_id or 0, due)

    def _passed_meanwhile(self, place: Place, alert: AlertRow, seen: Observation) -> bool:
        """Between two looks there may be a success and failures after it. A failure that passed when it was run again
        is none, as long as later ones stay."""
        if seen.streak is None or seen.detail["first_bad_run"] == alert.detail.get("first_bad_run"):
            return False
        return self._since(place, alert, "last_run").passed is not None

    def _since(self, place: Place, alert: AlertRow, run: str) -> Since:
        """`run` names one in the detail of the alert."""
        branch = place.branch if place.own_branch else None
        return since_failure(
            self._session, place.repository_id, place.workflow_id or 0, alert.detail.get(run) or 0, self._now,
            branch=branch,
        )  # fmt: skip


def _previous(alert: AlertRow) -> Previous:
    return Previous(alert.told_at, alert.acknowledged_at is not None, alert.silenced_until is not None)


def _place(alert: AlertRow) -> Place:
    own = bool(alert.branch) and alert.target.endswith(f"/{alert.branch}")
    return Place(alert.repository_id, alert.repo, alert.workflow_id, alert.workflow, alert.branch, own)
