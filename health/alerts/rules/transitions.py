"""The state machine of alerts: whether a rule fires, the transition that follows, whether it is notified, and which
transitions share a notification. Pure.

The transitions are modelled on Prometheus Alertmanager's notify.DedupStage.needsUpdate.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from db.enums import RuleKind
from health.alerts.rules.measures import Measurement
from health.alerts.rules.rules import Rule


def condition_met(rule: Rule, measurement: Measurement, *, firing: bool) -> bool:
    """Whether the rule fires. Two thresholds, to open and to resolve, prevent flapping. Below the
    minimum sample size no alert opens; a firing alert keeps firing while the value is above 0."""
    if measurement.value is None:
        return False
    if measurement.sample_size < rule.min_samples:
        return firing and measurement.value > 0
    if rule.kind is RuleKind.ERROR_BUDGET:
        return _burn_rate_exceeded(rule, measurement.value, measurement.short_window_value, firing=firing)
    if firing:
        return measurement.value >= rule.resolve_threshold
    return measurement.significant and measurement.value >= rule.open_at


def _burn_rate_exceeded(rule: Rule, long: float, short: float | None, *, firing: bool) -> bool:
    """Both windows must exceed the limit: the long one shows that the burn is relevant, the short one that it continues
    (Google, "The Site Reliability Workbook", chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). Without a completed run
    in the short window no alert opens, and a firing alert depends on the long window alone."""
    limit = rule.resolve_threshold if firing else rule.open_at
    if short is None:
        return firing and long >= limit
    return long >= limit and short >= limit


class Reason(StrEnum):
    """What an evaluation decided about an alert. should_notify says whether FIRST, REPEAT and RESOLVED are notified."""

    NONE = "none"
    FIRST = "first"
    ONGOING = "ongoing"
    REPEAT = "repeat"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class PreviousState:
    """A firing alert before the evaluation. `notified_at`: time of its last notification, null if there is none.
    `was_silenced`: a silence was active at the last evaluation."""

    notified_at: datetime | None
    acknowledged: bool = False
    was_silenced: bool = False


def next_transition(
    previous: PreviousState | None,
    *,
    firing: bool,
    now: datetime,
    silenced: bool = False,
    repeat: timedelta | None = None,
) -> Reason:
    """The transition of an alert. `previous` is null if no alert fires, `repeat` for a rule without repeats. An
    acknowledged alert is not repeated; one that still fires when its silence ends is."""
    if previous is None:
        return Reason.FIRST if firing else Reason.NONE
    if not firing:
        return Reason.RESOLVED
    if silenced or previous.acknowledged:
        return Reason.ONGOING
    if previous.notified_at is None:
        return Reason.FIRST
    if previous.was_silenced or (repeat is not None and now - previous.notified_at >= repeat):
        return Reason.REPEAT
    return Reason.ONGOING


def should_notify(reason: Reason, previous: PreviousState | None, *, silenced: bool) -> bool:
    """Whether a notification is due. A resolution is notified only if the alert was."""
    if silenced:
        return False
    if reason is Reason.RESOLVED:
        return previous is not None and previous.notified_at is not None
    return reason in (Reason.FIRST, Reason.REPEAT)


# More alerts of one rule in one evaluation share a notification.
GROUP_THRESHOLD = 4


@dataclass(frozen=True)
class AlertEvent:
    """A change of an alert that is to be notified. `group_id`: the group in which it was notified before; `cause`: the
    fingerprint of its error, which other targets may share, null if unknown."""

    alert_id: int
    rule_id: int
    reason: Reason
    group_id: int | None = None
    cause: str | None = None


def group_events(events: Sequence[AlertEvent]) -> list[list[AlertEvent]]:
    """Groups of events that share a notification, in the order of their first events. Alerts that were notified
    together stay together; those with a common cause, and more than GROUP_THRESHOLD of one rule and reason, form a
    group."""
    groups: dict[Hashable, list[AlertEvent]] = {}
    by_rule = Counter((event.rule_id, event.reason) for event in events)
    by_cause = Counter((event.rule_id, event.reason, event.cause) for event in events)
    for event in events:
        key: Hashable = ("alone", event.alert_id)
        if event.group_id is not None:
            key = ("group", event.reason, event.group_id)
        elif by_rule[event.rule_id, event.reason] > GROUP_THRESHOLD:
            key = ("storm", event.reason, event.rule_id)
        elif event.cause and by_cause[event.rule_id, event.reason, event.cause] > 1:
            key = ("cause", event.reason, event.rule_id, event.cause)
        groups.setdefault(key, []).append(event)
    return list(groups.values())
