"""Does it fire, and is anybody told: tables of what was, what is, and what follows."""

from datetime import UTC, datetime, timedelta

import pytest

from db.enums import RuleKind, RuleScope
from health.alerts.notifications.text import (
    format_span,
    headline,
    measurement_text,
    past_headline,
    short_headline,
)
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.measures import Measurement
from health.alerts.rules.rules import InvalidRule, Rule, validate_rule
from health.alerts.rules.targets import AlertTarget, Patterns, Silence, escape_pattern, matches, silenced_until
from health.alerts.rules.transitions import (
    GROUP_THRESHOLD,
    AlertEvent,
    PreviousState,
    Reason,
    condition_met,
    group_events,
    next_transition,
    should_notify,
)
from health.alerts.rules.types import RULE_TYPES, format_value

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOLD = PreviousState(notified_at=NOW - HOUR)
RATE = Rule("rate", RuleKind.FAILURE_RATE, 0.2)
BURN = Rule("burn", RuleKind.ERROR_BUDGET, 6)


@pytest.mark.parametrize(
    ("previous", "fires_now", "silenced", "repeat", "reason", "told"),
    [
        (None, False, False, None, Reason.NONE, False),
        (None, True, False, None, Reason.FIRST, True),
        (None, True, True, None, Reason.FIRST, False),
        (TOLD, True, False, None, Reason.ONGOING, False),
        (TOLD, True, False, 2 * HOUR, Reason.ONGOING, False),
        (TOLD, True, False, HOUR, Reason.REPEAT, True),
        (TOLD, True, True, HOUR, Reason.ONGOING, False),
        (TOLD, False, False, None, Reason.RESOLVED, True),
        (TOLD, False, True, None, Reason.RESOLVED, False),
        # Acknowledged: no repeats, but the recovery.
        (PreviousState(NOW - HOUR, acknowledged=True), True, False, HOUR, Reason.ONGOING, False),
        (PreviousState(NOW - HOUR, acknowledged=True), False, False, HOUR, Reason.RESOLVED, True),
        # A silence is over: told, whether or not it was told before.
        (PreviousState(None, was_silenced=True), True, False, None, Reason.FIRST, True),
        (PreviousState(NOW - HOUR, was_silenced=True), True, False, None, Reason.REPEAT, True),
        (PreviousState(None, acknowledged=True, was_silenced=True), True, False, None, Reason.ONGOING, False),
        # Who never heard of it need not hear that it is over.
        (PreviousState(None, was_silenced=True), False, False, None, Reason.RESOLVED, False),
    ],
)
def test_what_people_are_told_and_why(
    previous: PreviousState | None,
    fires_now: bool,
    silenced: bool,
    repeat: timedelta | None,
    reason: Reason,
    told: bool,
) -> None:
    found = next_transition(previous, firing=fires_now, now=NOW, silenced=silenced, repeat=repeat)
    assert (found, should_notify(found, previous, silenced=silenced)) == (reason, told)


@pytest.mark.parametrize(
    ("rule", "measure", "opens", "goes_on"),
    [
        (Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3), Measurement(3, 3), True, True),
        (Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3), Measurement(2, 2), False, True),
        (Rule("row", RuleKind.CONSECUTIVE_FAILURES, 3), Measurement(0, 0), False, False),
        (RATE, Measurement(0.2, 5), True, True),
        (RATE, Measurement(0.17, 100), False, True),
        (RATE, Measurement(0.15, 100), False, False),
        (RATE, Measurement(1.0, 4), False, True),
        (RATE, Measurement(0.0, 4), False, False),
        (RATE, Measurement(None), False, False),
        (Rule("rate", RuleKind.FAILURE_RATE, 0.2, close_at=0.1), Measurement(0.11, 9), False, True),
        (Rule("rate", RuleKind.FAILURE_RATE, 0.2, minimum=2), Measurement(0.5, 2), True, True),
        (Rule("queue", RuleKind.QUEUE_TIME, 600), Measurement(500, 9), False, True),
        (Rule("stuck", RuleKind.STUCK_RUN, 600), Measurement(599, 1), False, False),
        (BURN, Measurement(7, 20, short_window_value=8), True, True),
        (BURN, Measurement(7, 20, short_window_value=2), False, False),
        (BURN, Measurement(7, 20, short_window_value=None), False, True),
        (BURN, Measurement(5, 20, short_window_value=5), False, True),
        (BURN, Measurement(7, 9, short_window_value=8), False, True),
        (Rule("worse", RuleKind.SUCCESS_REGRESSION, 0.05), Measurement(0.2, 9, significant=False), False, True),
        (Rule("worse", RuleKind.SUCCESS_REGRESSION, 0.05), Measurement(0.02, 9), False, False),
    ],
)
def test_opening_takes_more_than_going_on(rule: Rule, measure: Measurement, opens: bool, goes_on: bool) -> None:
    assert (condition_met(rule, measure, firing=False), condition_met(rule, measure, firing=True)) == (opens, goes_on)


@pytest.mark.parametrize("kind", RuleKind)
def test_every_kind_can_be_used_as_it_comes_and_has_words(kind: RuleKind) -> None:
    spec = RULE_TYPES[kind]
    rule = validate_rule(Rule("  one   rule ", kind, spec.default_threshold, per=spec.scopes[0]))
    assert rule.name == "one rule"
    assert 0 < rule.resolve_threshold <= rule.open_at
    assert 0 < len(rule.threshold) <= 20
    target = AlertTarget(1, "acme/web", 5, "CI", "main")
    titles = [
        headline(kind, target),
        headline(kind, target, ongoing=True),
        headline(kind, target, resolved=True),
        past_headline(kind, target),
        past_headline(kind, target, "42m 10s"),
    ]
    assert all("acme/web · CI" in title for title in titles)
    assert len(set(titles)) == 5
    assert "still" in titles[1].lower()
    assert "for 42m 10s" in titles[4]
    assert "acme/web" not in short_headline(kind, target)
    assert isinstance(measurement_text(kind, AlertDetail()), str)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "a\x00b"}),
        ("open_at", {"open_at": 1.5}),
        ("open_at", {"open_at": float("nan")}),
        ("open_at", {"kind": RuleKind.CONSECUTIVE_FAILURES, "open_at": 2.5}),
        ("close_at", {"close_at": 0.3}),
        ("close_at", {"kind": RuleKind.STUCK_RUN, "open_at": 600, "close_at": 500}),
        ("window_seconds", {"kind": RuleKind.STUCK_RUN, "open_at": 600, "window_seconds": 600}),
        ("window_seconds", {"window_seconds": 1}),
        ("minimum", {"minimum": 0}),
        ("objective", {"objective": 0.9}),
        ("objective", {"kind": RuleKind.ERROR_BUDGET, "open_at": 2, "objective": 1.0}),
        ("per", {"kind": RuleKind.STUCK_RUN, "open_at": 600, "per": RuleScope.REPOSITORY}),
        ("workflows", {"per": RuleScope.REPOSITORY, "scope": Patterns(workflows=("CI",))}),
        ("repos", {"scope": Patterns(repos=("",))}),
        ("branches", {"scope": Patterns(branches=("x",) * 51)}),
        ("repeat_seconds", {"repeat_seconds": 10}),
    ],
)
def test_what_cannot_be_used_is_named(field: str, changed: dict[str, object]) -> None:
    values: dict[str, object] = {"name": "rate", "kind": RuleKind.FAILURE_RATE, "open_at": 0.2}
    with pytest.raises(InvalidRule) as error:
        validate_rule(Rule(**(values | changed)))  # type: ignore[arg-type]
    assert error.value.field == field


@pytest.mark.parametrize(
    ("patterns", "name", "found"),
    [
        ((), "acme/web", True),
        (("*",), None, True),
        (("main",), None, False),
        (("acme/*",), "acme/web", True),
        (("Acme/W?b",), "acme/web", True),
        (("beta/*", "acme/[vw]eb"), "acme/web", True),
        (("acme/web",), "acme/web-2", False),
        ((escape_pattern("a[b]*"),), "a[b]*", True),
        ((escape_pattern("a[b]*"),), "ab1", False),
    ],
)
def test_patterns_are_those_of_a_shell(patterns: tuple[str, ...], name: str | None, found: bool) -> None:
    assert matches(patterns, name, ignore_case=True) is found
    assert matches(("CI",), "ci") is False


def test_a_silence_holds_for_its_time_and_its_places() -> None:
    quiet = Silence(1, Patterns(repos=("acme/*",), branches=("main",)), 7, NOW - HOUR, NOW + HOUR, "", "", NOW)
    later = Silence(2, Patterns(), None, NOW + HOUR, NOW + 2 * HOUR, "", "", NOW)
    about = (7, "acme/web", "CI", "main")
    assert silenced_until([quiet, later], *about, NOW) == NOW + HOUR
    assert silenced_until([quiet, later], *about, NOW + HOUR) == NOW + 2 * HOUR
    assert silenced_until([quiet, later], *about, NOW + 2 * HOUR) is None
    assert silenced_until([quiet], 8, "acme/web", "CI", "main", NOW) is None
    assert silenced_until([quiet], 7, "acme/web", "CI", None, NOW) is None


def test_a_storm_is_one_message_and_what_was_told_together_ends_together() -> None:
    few = [AlertEvent(n, 1, Reason.FIRST) for n in range(GROUP_THRESHOLD)]
    assert [len(each) for each in group_events(few)] == [1] * GROUP_THRESHOLD
    assert [len(each) for each in group_events([*few, AlertEvent(9, 1, Reason.FIRST)])] == [GROUP_THRESHOLD + 1]
    assert [len(each) for each in group_events([*few, AlertEvent(9, 2, Reason.FIRST)])] == [1] * (GROUP_THRESHOLD + 1)
    caused = [
        AlertEvent(1, 1, Reason.FIRST, cause="a"),
        AlertEvent(2, 1, Reason.FIRST, cause="b"),
        AlertEvent(3, 1, Reason.FIRST, cause="a"),
    ]
    assert [[each.alert_id for each in group] for group in group_events(caused)] == [[1, 3], [2]]
    grouped = [AlertEvent(n, 1, Reason.REPEAT, group_id=4) for n in (4, 5)]
    assert [len(each) for each in group_events([*grouped, AlertEvent(6, 1, Reason.REPEAT)])] == [2, 1]


def test_one_place_is_one_target_whatever_its_default_branch_is_called() -> None:
    assert AlertTarget(1, "a/b", 5, "CI", "main").key(3) == AlertTarget(1, "a/b", 5, "CI", "trunk").key(3) == "3/1/5/"
    assert AlertTarget(1, "a/b", 5, "CI", "x", per_branch=True).key(3) == "3/1/5/x"
    assert AlertTarget(1, "a/b", 5, "CI", "x").label == "a/b · CI (x)"
    assert AlertTarget(1, "a/b").label == "a/b"
    assert AlertTarget(1, "a/b", branch="x").label == "a/b (x)"


@pytest.mark.parametrize(
    ("target", "label", "short", "failing", "short_failing"),
    [
        (AlertTarget(1, "a/b", branch="x"), "a/b (x)", ": x", "a/b is failing on x", "Repository is failing on x"),
        (
            AlertTarget(1, "a/b", 5, "CI", "x"),
            "a/b · CI (x)",
            ": CI (x)",
            "a/b · CI is failing on x",
            "CI is failing on x",
        ),
        (AlertTarget(1, "a/b", 5, "CI"), "a/b · CI", ": CI", "a/b · CI is failing", "CI is failing"),
        (AlertTarget(1, "a/b"), "a/b", "", "a/b is failing", "Repository is failing"),
    ],
)
def test_a_title_names_what_is_known_of_the_target_once(
    target: AlertTarget, label: str, short: str, failing: str, short_failing: str
) -> None:
    rate, streak = RuleKind.FAILURE_RATE, RuleKind.CONSECUTIVE_FAILURES
    assert headline(rate, target) == f"High failure rate: {label}"
    assert headline(rate, target, ongoing=True) == f"Failure rate still high: {label}"
    assert headline(rate, target, resolved=True) == f"Failure rate back to normal: {label}"
    assert past_headline(rate, target, "42m 10s") == f"Failure rate was high for 42m 10s: {label}"
    assert short_headline(rate, target) == f"High failure rate{short}"
    assert headline(streak, target) == failing
    assert past_headline(streak, target) == failing.replace("is failing", "was failing")
    assert short_headline(streak, target) == short_failing
    assert headline("made_of_later", target) == f"Made of later: {label}"


def test_values_read_as_people_write_them() -> None:
    assert format_value(RuleKind.FAILURE_RATE, 0.125) == "12.5%"
    assert format_value(RuleKind.QUEUE_TIME, 600) == "10m 00s"
    assert format_value(RuleKind.ERROR_BUDGET, 14.4) == "14.4×"
    assert [format_span(each) for each in (600, 3600, 86400, 14 * 86400, 90)] == [
        "10 min",
        "1 h",
        "24 h",
        "14 days",
        "1m 30s",
    ]
    detail = AlertDetail(failed=3, decided=5, window_seconds=86400)
    assert measurement_text(RuleKind.FAILURE_RATE, detail) == "60.0%, 3 of 5 completed runs in 24 h"
    burn = AlertDetail(value=10, recent=12.5, window_seconds=6 * 3600)
    assert measurement_text(RuleKind.ERROR_BUDGET, burn) == "burn rate 10× (6 h) and 12.5× (30 min)"
    assert measurement_text(RuleKind.STUCK_RUN, AlertDetail(runs=1), "2h 00m") == "1 run still in progress after 2h 00m"
    assert measurement_text(RuleKind.STUCK_RUN, AlertDetail(runs=6)) == "6 runs still in progress"
