"""Rules, silences and alerts as they are stored, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, update
from sqlalchemy.orm import Session

from db.engine import session_scope, write_scope
from db.enums import AlertState, RuleKind, Severity
from db.models import Alert
from db.runs.cursors import InvalidCursor
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule, built_in, parse_threshold, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_facets import alert_facets, count_by_state
from health.alerts.storage.alert_queries import (
    MOST_SEVERE_FIRST,
    NEWEST_FIRST,
    AlertFilter,
    AlertOrder,
    alert_page,
    count_alerts,
    count_matching,
    firing_alerts,
    get_alert,
    list_alerts,
    previous_cursor,
)
from health.alerts.storage.alert_writes import AlertScope, acknowledge, open_alert, resolve_alert
from health.alerts.storage.notification_queries import dead_notifications
from health.alerts.storage.outbox import claim_due_notifications, enqueue, mark_failed
from health.alerts.storage.silences import add_silence, end_silence, get_silence, list_silences
from health.alerts.storage.stored_rules import (
    BuiltInRuleError,
    add_rule,
    delete_rule,
    list_rules,
    sync_built_in_rule,
    update_rule,
)
from tests.builders import ACTOR, NOON, add_repository, run, store_runs

HOUR = timedelta(hours=1)
RULE = validate_rule(
    Rule(
        "queues", RuleKind.QUEUE_TIME, 600, close_at=300, window_seconds=7200, minimum=3, channels=("slack",),
        scope=Patterns(("acme/*",), ("CI",), ("*",)), severity=Severity.INFO, repeat_seconds=3600,
    )
)  # fmt: skip


def opened(session: Session, number: int, *, rule_id: int | None = None, branch: str = "main") -> int:
    scope = AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, branch, rule_id, target=f"{number}")
    return open_alert(session, scope, "3", AlertDetail(branch=branch), NOON + number * HOUR)


def test_a_rule_comes_back_as_it_was_stored(engine: Engine) -> None:
    with write_scope(engine) as session:
        rule_id = add_rule(session, RULE, NOON, actor=ACTOR)
        first, second = list_rules(session)
    assert (first.built_in, first.name, first.open_at) == (True, "ALERT_THRESHOLD", 3.0)
    assert second == Rule(**{**vars(RULE), "id": rule_id, "updated_at": NOON})


def test_the_built_in_rule_follows_its_setting_and_keeps_what_else_was_set(engine: Engine) -> None:
    with write_scope(engine) as session:
        kept = sync_built_in_rule(session, built_in(parse_threshold("3")), NOON)
        (rule,) = list_rules(session)
        assert update_rule(
            session, kept, Rule(**{**vars(rule), "channels": ("email",), "enabled": False}), NOON, actor=ACTOR
        )
        assert sync_built_in_rule(session, built_in(parse_threshold("20%")), NOON) == kept
        (rule,) = list_rules(session)
        assert (rule.kind, rule.open_at, rule.per) == (RuleKind.FAILURE_RATE, 0.2, "repository")
        assert (rule.channels, rule.enabled) == (("email",), False)
        with pytest.raises(BuiltInRuleError, match="open_at: ALERT_THRESHOLD sets these fields of the built-in rule"):
            update_rule(session, kept, Rule(**{**vars(rule), "open_at": 0.5}), NOON, actor=ACTOR)
        with pytest.raises(BuiltInRuleError, match="cannot be deleted"):
            delete_rule(session, kept, NOON, actor=ACTOR)


def test_a_deleted_rule_leaves_its_alerts_as_history(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        rule_id = add_rule(session, RULE, NOON, actor=ACTOR)
        alert_id = opened(session, 1, rule_id=rule_id)
        add_silence(session, Patterns(), rule_id, NOON, NOON + HOUR, comment="", author="ann", now=NOON, actor=ACTOR)
        assert delete_rule(session, rule_id, NOON + HOUR, actor=ACTOR)
        assert not delete_rule(session, rule_id, NOON + HOUR, actor=ACTOR)
    with Session(engine) as session:
        alert = get_alert(session, alert_id, NOON)
        assert alert is not None
        assert (alert.state, alert.rule_id, alert.detail.reason) == ("resolved", None, "the rule was deleted")
        assert list_silences(session) == []


def test_an_alert_shows_the_state_that_holds_now(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        first, second, third = (opened(session, number) for number in range(3))
        assert acknowledge(session, first, "ann", "on it", NOON, actor=ACTOR)
        silence = Patterns(("acme/web",), ("CI",), ("main",))
        add_silence(session, silence, None, NOON, NOON + HOUR, comment="deploy", author="bob", now=NOON, actor=ACTOR)
        resolve_alert(session, third, AlertDetail(), NOON)
        assert not acknowledge(session, third, "ann", "", NOON, actor=ACTOR)
    with Session(engine) as session:

        def states(now: timedelta) -> list[tuple[int, str]]:
            return [(each.id, each.state) for each in alert_page(session, AlertFilter(), NOON + now).items]

        assert states(timedelta()) == [(second, "silenced"), (first, "silenced"), (third, "resolved")]
        assert states(HOUR) == [(second, "firing"), (first, "acknowledged"), (third, "resolved")]
        assert count_alerts(session, NOON + HOUR) == {
            AlertState.FIRING: 1, AlertState.ACKNOWLEDGED: 1, AlertState.SILENCED: 0, AlertState.RESOLVED: 1,
        }  # fmt: skip
        for state, found in (("firing", [second]), ("acknowledged", [first]), ("silenced", []), ("resolved", [third])):
            page = alert_page(session, AlertFilter(states=(state,)), NOON + HOUR)
            assert [each.id for each in page.items] == found


def test_a_silence_that_is_ended_leaves_the_moment_at_which_it_did(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        alert_id = opened(session, 1)
        silence_id = add_silence(
            session, Patterns(("ACME/*",)), None, NOON, NOON + HOUR, comment="c", author="a", now=NOON, actor=ACTOR
        )
        other = Patterns(("acme/other",))
        pending = add_silence(
            session, other, None, NOON + HOUR, NOON + 2 * HOUR, comment="", author="", now=NOON, actor=ACTOR
        )
    minute = NOON + timedelta(minutes=1)
    with write_scope(engine) as session:
        assert end_silence(session, silence_id, minute, actor=ACTOR)
        assert not end_silence(session, silence_id, minute, actor=ACTOR)
        assert not end_silence(session, 12345, minute, actor=ACTOR)
        assert end_silence(session, pending, minute, actor=ACTOR)
        alert = get_alert(session, alert_id, minute)
        assert alert is not None
        assert (alert.state, alert.silenced_until) == ("firing", minute)
        ended = get_silence(session, pending)
        assert ended is not None
        assert (ended.state(minute), ended.starts_at) == ("ended", minute)
        assert list_silences(session, not_ended_at=minute) == []


def test_pages_of_alerts_follow_each_other(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        ids = [opened(session, number) for number in range(5)]
        for alert_id in ids[3:]:
            resolve_alert(session, alert_id, AlertDetail(), NOON)
    with Session(engine) as session:
        seen: list[int] = []
        cursor = None
        for _ in range(3):
            page = alert_page(session, AlertFilter(), NOON, limit=2, cursor=cursor)
            seen += [each.id for each in page.items]
            cursor = page.next
        assert cursor is None
        assert seen == [ids[2], ids[1], ids[0], ids[4], ids[3]]
        for bad in ("x", "MXx8", "MnwyMDI2fDE"):
            with pytest.raises(InvalidCursor):
                alert_page(session, AlertFilter(), NOON, cursor=bad)
        assert alert_page(session, AlertFilter(workflows=("CI",), severities=("info",)), NOON).items == []
        assert [each.id for each in list_alerts(session, states=["resolved"])] == [ids[4], ids[3]]


@pytest.mark.parametrize("order", [NEWEST_FIRST, MOST_SEVERE_FIRST, AlertOrder(ascending=True)])
def test_pages_lead_back_to_the_page_before(engine: Engine, order: AlertOrder) -> None:
    add_repository(engine)
    levels = (Severity.INFO, Severity.CRITICAL, Severity.WARNING)
    with write_scope(engine) as session:
        for number in range(12):
            scope = AlertScope(
                1, 5, RuleKind.CONSECUTIVE_FAILURES, "main", None, severity=levels[number % 3], target=f"{number}"
            )
            alert_id = open_alert(session, scope, "3", AlertDetail(branch="main"), NOON + number * HOUR)
            if number % 4 == 0:
                resolve_alert(session, alert_id, AlertDetail(), NOON + HOUR)
    with Session(engine) as session:
        every = alert_page(session, AlertFilter(), NOON, order=order).items
        if order == MOST_SEVERE_FIRST:
            assert [each.severity for each in every[:9]] == ["critical"] * 3 + ["warning"] * 3 + ["info"] * 3
        newest = alert_page(session, AlertFilter(), NOON).items
        assert (every == newest[::-1]) is order.ascending
        cursors: list[str | None] = [None]
        while cursors[-1] or len(cursors) == 1:
            page = alert_page(session, AlertFilter(), NOON, limit=5, cursor=cursors[-1], order=order)
            assert page.items == every[5 * (len(cursors) - 1) : 5 * len(cursors)]
            before = previous_cursor(session, AlertFilter(), page.items[0], NOON, limit=5, order=order)
            assert before == (cursors[-2] if len(cursors) > 1 else None)
            cursors.append(page.next)
        assert len(cursors) == 4


@pytest.mark.parametrize(
    ("text", "number"), [("ACME/w", 1), ("ci", 1), ("rele", 0), ("MAIN", 1), ("thresh", 0), ("%", 0)]
)
def test_alerts_are_searched_by_the_names_of_what_they_are_about(engine: Engine, text: str, number: int) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        opened(session, 1)
    with Session(engine) as session:
        assert count_matching(session, AlertFilter(text=text), NOON) == number
        assert len(alert_page(session, AlertFilter(text=text), NOON).items) == number


def test_alerts_are_filtered_by_workflow_and_branch(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1))
    with write_scope(engine) as session:
        scopes = [AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, branch="main", target="a"),
                  AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, branch="next", target="b"),
                  AlertScope(1, None, RuleKind.QUEUE_TIME, target="c")]  # fmt: skip
        main, following, everywhere = (open_alert(session, scope, "3", AlertDetail(), NOON) for scope in scopes)
        for filters, expected in (
            (AlertFilter(workflows=("CI",)), {main, following}),
            (AlertFilter(workflows=("5",)), {main, following}),
            (AlertFilter(workflows=("9" * 30,)), set()),
            (AlertFilter(workflows=("9" * 5_000,)), set()),
            (AlertFilter(branches=("main",)), {main, everywhere}),
            (AlertFilter(("firing",), ("acme/web",), ("CI",), ("next",)), {following}),
        ):
            assert {row.id for row in alert_page(session, filters, NOON).items} == expected
            assert count_matching(session, filters, NOON) == len(expected)


def test_alerts_are_filtered_by_assignee_and_counted_by_state(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        ids = [opened(session, number) for number in range(4)]
        for alert_id, name in zip(ids, ("Ann", "ann", "bob"), strict=False):
            session.execute(update(Alert).where(Alert.id == alert_id).values(assignee=name, assigned_at=NOON))
        acknowledge(session, ids[0], "ann", "", NOON, actor=ACTOR)
        resolve_alert(session, ids[3], AlertDetail(), NOON)
    with Session(engine) as session:
        for names, expected in (
            (("ANN",), ids[:2]),
            (("",), ids[3:]),
            (("bob", ""), ids[2:]),
            (("eve",), []),
        ):
            filters = AlertFilter(assignees=names)
            assert sorted(row.id for row in alert_page(session, filters, NOON).items) == expected
            counts = count_by_state(session, filters, NOON)
            assert counts.number(*AlertState) == len(expected)
            assert counts.number("resolved") == (ids[3] in expected)
        assert count_matching(session, AlertFilter(text="BO"), NOON) == 1
        every = count_by_state(session, AlertFilter(states=("firing",), severities=("info",)), NOON)
        assert (every.number("firing"), every.number("acknowledged"), every.number("resolved")) == (2, 1, 1)
        assert (every.number("firing", severity="critical"), every.number("firing", severity="info")) == (2, 0)
        facets = alert_facets(session, NOON)
        assert (facets.repos, facets.assignees) == (("acme/web",), ("Ann", "ann", "bob"))


def test_messages_that_nobody_got_can_be_listed(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        enqueue(session, opened(session, 1), "first", {"slack": {"subject": "CI is broken"}}, NOON)
        (claimed,) = claim_due_notifications(session, NOON, ["slack"])
        mark_failed(session, claimed, "no_service", NOON, permanent=True)
    with Session(engine) as session:
        (dead,) = dead_notifications(session, NOON - HOUR)
        assert (dead.repo, dead.channel, dead.subject, dead.error) == (
            "acme/web",
            "slack",
            "CI is broken",
            "no_service",
        )
        assert dead_notifications(session, NOON + HOUR) == []


def test_who_looks_at_rules_sees_all_that_fires_and_reads_no_messages(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        for number in range(120):
            scope = AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, "main", 1, target=f"{number}")
            alert = open_alert(session, scope, "3", AlertDetail(), NOON)
            enqueue(session, alert, "first", {"slack": {"subject": "s"}}, NOON)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    with session_scope(engine) as session:
        assert len(firing_alerts(session)) == 120
        assert not [each for each in asked if "deliveries" in each]
        assert all(row.deliveries[0].state == "pending" for row in list_alerts(session))
        assert not [each for each in asked if "deliveries.message" in each]
