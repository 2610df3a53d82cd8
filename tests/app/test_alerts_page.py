"""The Alerts page: acknowledgements, silences, and rules with their replay."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from app.data.alerts import all_resolved
from app.data.connection import reset_engine
from db.engine import make_engine, write_scope
from db.enums import RuleKind, Severity
from db.models import Alert, AlertRule
from health.alerts.evaluation import Evaluator
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule, parse_threshold, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_queries import AlertFilter, AlertRow, list_alerts
from health.alerts.storage.alert_writes import (
    AlertScope,
    acknowledge,
    assign,
    open_alert,
    resolve_alert,
    unacknowledge,
)
from health.alerts.storage.notification_queries import latest_test_notifications
from health.alerts.storage.outbox import claim_due_notifications, enqueue, mark_failed
from health.alerts.storage.silences import add_silence, list_silences
from health.alerts.storage.stored_rules import add_rule, list_rules
from health.teams.service import save_team
from tests.app.conftest import Open
from tests.app.reading import everything, html, table
from tests.app.seeding import Seeded, add_repository, heartbeat, run, store
from tests.builders import ACTOR, roll_up

HOSTILE = "<script>x</script> **b** :red[r]"


@pytest.fixture
def fired(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seeded]:
    """A repository with three failures in a row, and its alert."""
    path = tmp_path / "alerts.db"
    shutil.copy(sqlite_template, path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    engine, now = make_engine(f"sqlite:///{path}"), datetime.now(UTC).replace(microsecond=0)
    add_repository(engine, 1, "acme/web", now)
    store(engine, 1, *(run(n, now - timedelta(hours=9 - n), conclusion="failure", actor="bob") for n in (1, 2, 3)))
    roll_up(engine, now)
    heartbeat(engine, now)
    Evaluator(engine, parse_threshold("3"), ["slack"], "http://dash", lambda: now).run()
    yield Seeded(engine, now)
    engine.dispose()


def read(engine: Engine, question: Callable[[Session], Any]) -> Any:
    with Session(engine) as session:
        return question(session)


def alerts(engine: Engine) -> list[AlertRow]:
    return list(read(engine, list_alerts))


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception, page.exception
    return page


def test_firing_alert_shows_figures_and_is_acknowledged(fired: Seeded, open_page: Open) -> None:
    (alert,) = alerts(fired.engine)
    page = open_page("alerts")
    assert "acme/web · CI is failing on main" in everything(page)
    assert "3 failed runs in a row" in everything(page)
    assert "1 firing · 0 acknowledged · 0 silenced" in everything(page)
    press(page, f"ack-{alert.id}")
    page.text_input(key="ack-name").set_value("ann <b>")
    page.text_input(key="ack-comment").set_value(HOSTILE)
    press(page, "ack-send")
    (known,) = alerts(fired.engine)
    assert (known.acknowledged_by, known.acknowledged_comment) == ("ann <b>", HOSTILE)
    again = open_page("alerts")
    assert "0 firing · 1 acknowledged" in everything(again)
    assert "<script>x" not in everything(again)
    assert "ann &lt;b&gt;" in everything(again)
    assert not [button for button in again.button if button.key == f"ack-{alert.id}"]


def test_recorded_name_is_that_of_the_signed_in_user(
    fired: Seeded, open_page: Open, with_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_ROLES", "editor:email=alice@example.com")
    (alert,) = alerts(fired.engine)
    alice = {"email": "alice@example.com", "is_logged_in": True, "iat": time.time()}
    page = press(open_page("alerts", user=alice), f"ack-{alert.id}")
    assert (alerts(fired.engine)[0].acknowledged_by, page.get("dialog")) == ("alice@example.com", [])
    page = press(page, f"comment-{alert.id}")
    assert "Recorded as alice" in everything(page)
    assert not [each for each in page.text_input if each.key == "ack-name"]
    page.session_state["ack-name"] = page.session_state["user-name"] = "bob@example.com"
    press(page, "ack-send")
    page = press(open_page("alerts", user=alice), f"add-silence-{alert.id}")
    page.session_state["add-silence-name"] = "bob@example.com"
    press(page, "add-silence-send")
    assert alerts(fired.engine)[0].acknowledged_by == "alice@example.com"
    assert [each.author for each in read(fired.engine, list_silences)] == ["alice@example.com"]


def test_a_viewer_sees_no_actions(fired: Seeded, open_page: Open, with_login: None) -> None:
    (alert,) = alerts(fired.engine)
    viewer = {"email": "eve@example.com", "is_logged_in": True, "iat": time.time()}
    for page in (open_page("alerts", user=viewer), open_page("alerts", user=viewer, alert=alert.id)):
        assert "acme/web · CI is failing on main" in everything(page)
        assert not {button.label for button in page.button} & {"Acknowledge", "Unacknowledge", "Silence"}
        assert "ph-choose" not in everything(page)


def test_alert_is_silenced_in_two_clicks_and_silence_ended_in_one(fired: Seeded, open_page: Open) -> None:
    (alert,) = alerts(fired.engine)
    page = press(open_page("alerts"), f"add-silence-{alert.id}")
    page.segmented_control(key="add-silence-span").set_value("1 day")
    press(page, "add-silence-send")
    (silence,) = read(fired.engine, list_silences)
    assert silence.scope == Patterns(("acme/web",), ("CI",), ("main",))
    assert (silence.rule_id, silence.ends_at - silence.starts_at) == (alert.rule_id, timedelta(days=1))
    assert "1 silenced" in everything(open_page("alerts"))
    page = open_page("alerts", show="silences")
    assert "acme/web · workflow CI · branch main" in everything(page)
    press(page, f"end-{silence.id}")
    assert "No active silences" in everything(page)
    assert "1 firing · 0 acknowledged · 0 silenced" in everything(open_page("alerts"))


def test_silence_requires_a_scope(fired: Seeded, open_page: Open) -> None:
    page = press(open_page("alerts", show="silences"), "new-silence-send")
    assert "Choose at least one repository, workflow or branch" in page.error[0].value
    page.multiselect(key="new-silence-repos").set_value(["acme/web"])
    press(page, "new-silence-send")
    assert [each.scope.repos for each in read(fired.engine, list_silences)] == [("acme/web",)]


def test_rule_is_replayed_before_it_is_saved(fired: Seeded, open_page: Open) -> None:
    page = open_page("alerts", show="rules", rule="new")
    page.selectbox(key="rule-kind-new").set_value(RuleKind.CONSECUTIVE_FAILURES).run()
    before = everything(page)
    assert "Would have fired once" in before
    assert [row["Scope"].text for row in table(page, "replay")] == ["acme/web · CI (main)"]
    page.number_input(key="rule-open-new-consecutive_failures").set_value(9).run()
    assert "Would not have fired" in everything(page)
    assert len(read(fired.engine, list_rules)) == 1
    page.text_input(key="rule-name-new").set_value("Nine in a row")
    press(page, "rule-save")
    (_, rule) = read(fired.engine, list_rules)
    assert (rule.name, rule.kind, rule.open_at) == ("Nine in a row", "consecutive_failures", 9.0)
    assert [row["Rule"].text for row in table(page, "rules")][1].startswith("Nine in a row")


def test_rule_is_edited_in_units_of_the_form_and_deleted(fired: Seeded, open_page: Open) -> None:
    with write_scope(fired.engine) as session:
        rule = validate_rule(Rule("Queues", RuleKind.QUEUE_TIME, 600, scope=Patterns(repos=("acme/*",))))
        rule_id = add_rule(session, rule, fired.now, actor=ACTOR)
    page = open_page("alerts", show="rules", rule=rule_id)
    tag = f"{rule_id}-queue_time"
    assert page.number_input(key=f"rule-open-{tag}").value == 10
    page.number_input(key=f"rule-open-{tag}").set_value(15)
    page.number_input(key=f"rule-close-{tag}").set_value(20).run()
    told = page.error[0].value.replace("\\", "")
    assert told == "Resolve below: enter a value greater than 0 and no higher than 'Trigger at' (15 minutes)."
    assert page.button(key="rule-save").disabled
    assert "cannot be replayed or saved" in everything(page)
    page.number_input(key=f"rule-close-{tag}").set_value(5).run()
    press(page, "rule-save")
    saved = next(each for each in read(fired.engine, list_rules) if each.id == rule_id)
    assert (saved.open_at, saved.close_at, saved.window_seconds, saved.scope.repos) == (900, 300, None, ("acme/*",))
    page = press(open_page("alerts", show="rules", rule=rule_id), "rule-delete")
    assert len(read(fired.engine, list_rules)) == 1


def test_only_notification_settings_of_the_built_in_rule_can_be_edited(fired: Seeded, open_page: Open) -> None:
    (rule,) = read(fired.engine, list_rules)
    page = open_page("alerts", show="rules", rule=rule.id)
    assert page.number_input(key=f"rule-open-{rule.id}-consecutive_failures").disabled
    assert not [button for button in page.button if button.key == "rule-delete"]
    page.selectbox(key=f"rule-repeat-{rule.id}-consecutive_failures").set_value(14400.0).run()
    press(page, "rule-save")
    (rule,) = read(fired.engine, list_rules)
    assert (rule.repeat_seconds, rule.open_at) == (14400, 3)


def test_test_message_uses_the_outbox(fired: Seeded, open_page: Open) -> None:
    assert "Channel status unavailable" in everything(open_page("alerts", show="silences"))
    heartbeat(fired.engine, fired.now, channels=["slack"])
    reset_engine()
    page = press(open_page("alerts", show="silences"), "test-slack")
    assert "test requested" in everything(page)
    with write_scope(fired.engine) as session:
        claimed = claim_due_notifications(session, fired.now + timedelta(hours=1), ["slack"])
        test = next(each for each in claimed if each.reason == "test")
        mark_failed(session, test, "no_service", fired.now, permanent=True)
    assert read(fired.engine, latest_test_notifications)["slack"].state == "dead"
    reset_engine()
    assert "test failed" in everything(open_page("alerts", show="silences"))


@pytest.fixture
def many(fired: Seeded) -> Seeded:
    """60 open alerts besides the first one, every third of them critical, and 60 resolved ones."""
    with write_scope(fired.engine) as session:
        for number in range(120):
            severity = Severity.CRITICAL if number % 3 == 0 else Severity.INFO
            scope = AlertScope(1, 10, RuleKind.FAILURE_RATE, f"b{number}", None, severity=severity, target=f"{number}")
            detail = AlertDetail(branch=f"b{number}")
            alert_id = open_alert(session, scope, "20%", detail, fired.now - timedelta(hours=number))
            if number % 2:
                resolve_alert(session, alert_id, detail, fired.now)
    return fired


def listed(page: AppTest) -> list[str]:
    """The branches of the firing alerts of the page."""
    cards = "".join(block for block in html(page) if 'class="ph-alert' in block)
    return re.findall(r"\(b(\d+)\)", cards)


def test_order_page_and_filters_of_alerts_are_in_the_url(many: Seeded, open_page: Open) -> None:
    page = open_page("alerts")
    assert "61 firing" in everything(page)
    # The critical alerts are the even multiples of 3; each list has the newest first.
    critical = [str(number) for number in range(0, 120, 6)]
    assert listed(page)[: len(critical)] == critical
    press(page, "firing-next")
    last = listed(page)
    assert page.query_params["page"].startswith("firing.2.")
    assert listed(open_page("alerts", page=page.query_params["page"])) == last
    again = press(open_page("alerts", page=page.query_params["page"]), "firing-previous")
    assert "page" not in again.query_params
    assert listed(again)[:5] == critical[:5]
    newest = open_page("alerts", sort="firing.-opened")
    assert listed(newest)[:4] == ["0", "2", "4", "6"]
    found = open_page("alerts", find="B11", severity="critical")
    assert listed(found) == ["114"]
    assert [row["Alert"].value for row in table(found, "alerts")] == [
        row["Alert"].value for row in table(open_page("alerts", find="b111"), "alerts")
    ] + [row["Alert"].value for row in table(open_page("alerts", find="b117"), "alerts")]
    found.text_input(key="alerts-q").set_value("nowhere").run()
    assert found.query_params["find"] == "nowhere"
    assert "No firing alert matches the filters." in everything(found)
    for name, value in (("severity", "red"), ("sort", "firing.repo"), ("page", "alerts.2.abc")):
        (warning,) = open_page("alerts", **{name: value}).warning
        assert value.partition(".a")[0] in warning.value.replace("\\", "")


def test_alerts_are_filtered_by_state_rule_repository_and_assignee(many: Seeded, open_page: Open) -> None:
    with write_scope(many.engine) as session:
        session.execute(update(Alert).where(Alert.branch == "b6").values(assignee="Ann <b>", assigned_at=many.now))
        session.execute(update(Alert).where(Alert.branch == "b8").values(rule_id=7, rule_name="Rate"))
        session.execute(update(Alert).where(Alert.branch == "b10").values(acknowledged_at=many.now))
    for query, branches in (
        ({"assignee": "ann <B>"}, ["6"]),
        ({"rule": 7}, ["8"]),
        ({"state": "acknowledged"}, ["10"]),
        ({"assignee": "none", "find": "b1", "severity": ["critical", "info"], "sort": "firing.opened"},
         ["118", "116", "114", "112", "110", "108", "106", "104", "102", "100", "18", "16", "14", "12", "10"]),
        ({"repo": "ACME/web", "workflow": "CI", "find": "b6"}, ["6", "60", "66", "62", "64", "68"]),
    ):  # fmt: skip
        page = open_page("alerts", **query)
        assert (listed(page), [warning.value for warning in page.warning]) == (branches, [])
    page = open_page("alerts", state="resolved")
    assert (len(table(page, "alerts")), "Firing now" in everything(page)) == (25, False)
    # Most severe first, and each severity begins with its sign, its name and the number of all its alerts.
    page = open_page("alerts")
    heads = re.findall(r'ph-severity-head ph-\w+"><i[^>]*>(.)</i> (\w+) <span>(\d+)<', everything(page))
    assert heads == [("✕", "Critical", "21"), ("i", "Info", "40")]
    page.multiselect(key="alerts-severity").set_value(["info"]).run()
    page.multiselect(key="alerts-assignee").set_value(["Ann <b>", "none"]).run()
    assert (page.query_params["severity"], page.query_params["assignee"]) == ("info", ["Ann <b>", "none"])
    assert (listed(page)[0], "Info" in everything(page)) == ("2", True)
    page.multiselect(key="alerts-assignee").set_value([]).run()
    assert "assignee" not in page.query_params
    wrong = open_page("alerts", state="red", rule="99", repo="acme/none", severity="info")
    told = " ".join(warning.value.replace("\\", "") for warning in wrong.warning)
    for text in ("state=red is unknown", "rule=99 is unknown", "acme/none"):
        assert text in told
    # An invalid value does not prevent a choice.
    wrong.multiselect(key="alerts-state").set_value(["acknowledged"]).run()
    assert wrong.query_params["state"] == "acknowledged"


def test_a_resolved_history_is_sorted_by_the_database(many: Seeded, open_page: Open) -> None:
    page = open_page("alerts", sort="alerts.opened")
    assert "60 resolved · oldest first" in everything(page)
    first = [row["Alert"].value for row in table(page, "alerts")]
    assert re.findall(r"\(b(\d+)\)", first[0]) == ["119"]
    severe = table(open_page("alerts", sort="alerts.-severity"), "alerts")
    assert {row["Severity"].text.split()[-1] for row in severe[:20]} == {"Critical"}
    press(page, "alerts-next")
    assert not {row["Alert"].value for row in table(page, "alerts")} & set(first)


def test_a_listed_alert_leads_to_its_own_page(many: Seeded, open_page: Open) -> None:
    for text, colour, sign in (("b114", "red", "✕"), ("b112", "blue", "i")):
        (card,) = [block for block in html(open_page("alerts", find=text)) if 'class="ph-alert' in block]
        assert f'class="ph-alert ph-{colour}"><b aria-hidden="true">{sign}</b>' in card
        (link,) = re.findall(r'href="alerts\?alert=(\d+)"', card)
        assert f"Alert #{link}" in everything(open_page("alerts", alert=link))


def test_history_pages_and_files_contain_all_matching_alerts(many: Seeded, open_page: Open) -> None:
    page = open_page("alerts")
    first = [row["Alert"].value for row in table(page, "alerts")]
    press(page, "alerts-next")
    second = [row["Alert"].value for row in table(page, "alerts")]
    assert (len(first), len(second), set(first) & set(second)) == (25, 25, set())
    reopened = open_page("alerts", page=page.query_params["page"])
    assert [row["Alert"].value for row in table(reopened, "alerts")] == second
    assert [row["Alert"].value for row in table(press(reopened, "alerts-previous"), "alerts")] == first
    resolved = AlertFilter(states=("resolved",))
    assert len(all_resolved(resolved)) == 60
    assert len(all_resolved(replace(resolved, text="b11", severities=("critical",)))) == 2


def test_history_and_undelivered_notifications(fired: Seeded, open_page: Open) -> None:
    (alert,) = alerts(fired.engine)
    with write_scope(fired.engine) as session:
        enqueue(session, alert.id, "repeat", {"email": {"subject": HOSTILE}}, fired.now)
        (claimed,) = claim_due_notifications(session, fired.now, ["email"])
        mark_failed(session, claimed, "550 <b>refused</b>", fired.now, permanent=True)
        resolve_alert(session, alert.id, alert.detail, fired.now + timedelta(minutes=30))
    page = open_page("alerts")
    assert "No firing alerts." in everything(page)
    (row,) = table(page, "alerts")
    assert (row["Alert"].text, row["Duration"].text) == (
        "acme/web · CI failed 3 times in a row on main – recovered after 30m 00s3 failed runs in a row",
        "30m 00s",
    )
    (dead,) = table(page, "dead")
    assert (dead["Notification"].text, dead["Error"].text) == (HOSTILE, "550 <b>refused</b>")
    one = open_page("alerts", alert=alert.id)
    assert [each["Channel"].text for each in table(one, "messages")] == ["slack", "email"]
    # One alert, without the lists of all alerts, and without buttons as it is resolved.
    assert "History" not in everything(one)
    assert not [button.label for button in one.button if button.label in ("Acknowledge", "Silence")]
    assert "show=rule is unknown" in everything(open_page("alerts", show="rule")).replace("\\", "")
    for unknown in ("nonsense", "999999"):
        assert f"alert={unknown} is ignored" in everything(open_page("alerts", alert=unknown)).replace("\\", "")


@pytest.mark.parametrize(("severity", "colour"), [("critical", "red"), ("warning", "orange"), ("info", "blue")])
def test_firing_alerts_have_the_colour_of_their_severity(
    fired: Seeded, open_page: Open, severity: str, colour: str
) -> None:
    with write_scope(fired.engine) as session:
        session.execute(update(Alert).values(severity=severity))
    (alert,) = alerts(fired.engine)
    for page in (open_page("alerts"), open_page("alerts", alert=alert.id)):
        assert f'<div class="ph-alert ph-{colour}">' in everything(page)
        assert [button.label for button in page.button][-3:] == ["Acknowledge", "Silence", "Assign"]


def test_silenced_alerts_remain_on_the_page(fired: Seeded, open_page: Open) -> None:
    with write_scope(fired.engine) as session:
        ends = fired.now + timedelta(hours=5)
        add_silence(
            session,
            Patterns(("*",)),
            None,
            fired.now,
            ends,
            comment=HOSTILE,
            author=HOSTILE,
            now=fired.now,
            actor=ACTOR,
        )
    page = open_page("alerts")
    assert "acme/web · CI is failing on main" in everything(page)
    assert "Silenced" in everything(page)
    assert "<script>x" not in everything(open_page("alerts", show="silences"))


def test_other_pages_name_who_acknowledged_and_silenced_an_alert(fired: Seeded, open_page: Open) -> None:
    (alert,) = alerts(fired.engine)
    views: list[tuple[str, dict[str, Any]]] = [
        ("", {}), ("workflow", {"id": 10}), ("", {"wall": "failing"}), ("", {"wall": "overview"}), ("alerts", {}),
        ("", {"wall": "alerts"}),
    ]  # fmt: skip
    for page, query in views:
        assert 'role="alert"' not in everything(open_page(page, **query))
    with write_scope(fired.engine) as session:
        acknowledge(session, alert.id, "ann <b>", HOSTILE, fired.now, actor=ACTOR)
    reset_engine()
    for page, query in views:
        shown = everything(open_page(page, **query))
        assert "cknowledged" in shown
        assert "ann &lt;b&gt;" in shown
    with write_scope(fired.engine) as session:
        ends = fired.now + timedelta(hours=5)
        add_silence(
            session, Patterns(("*",)), None, fired.now, ends, comment="", author="bob <i>", now=fired.now, actor=ACTOR
        )
    reset_engine()
    for page, query in views:
        shown = everything(open_page(page, **query))
        assert "ilenced" in shown
        assert "bob &lt;i&gt;" in shown
        assert "<script>x" not in shown


def test_without_an_enabled_rule_no_alert_is_no_all_clear(fired: Seeded, open_page: Open) -> None:
    with write_scope(fired.engine) as session:
        session.execute(delete(Alert))
    assert "No firing alerts." in everything(open_page("alerts"))
    with write_scope(fired.engine) as session:
        session.execute(update(AlertRule).values(enabled=False))
    reset_engine()
    assert "No rule is enabled, so no alert can fire." in everything(open_page("alerts"))
    assert "✓ No firing alerts" not in everything(open_page(wall="alerts"))


def selected_dialog(page: AppTest, *ids: int) -> AppTest:
    page.query_params["selected"] = ",".join(map(str, ids))
    return press(page, "bulk-open")


def test_an_acknowledgement_is_taken_back_and_the_next_one_takes_one_click(fired: Seeded, open_page: Open) -> None:
    (alert,) = alerts(fired.engine)
    page = press(open_page("alerts"), f"ack-{alert.id}")
    page.text_input(key="ack-name").set_value("ann")
    press(page, "ack-send")
    press(page, f"unack-{alert.id}")
    assert alerts(fired.engine)[0].acknowledged_at is None
    assert "1 firing · 0 acknowledged" in everything(page)
    press(page, f"ack-{alert.id}")
    known = alerts(fired.engine)[0]
    assert (known.acknowledged_by, known.acknowledged_comment) == ("ann", "")
    page = press(page, f"comment-{alert.id}")
    page.text_input(key="ack-comment").set_value("reverting")
    press(page, "ack-send")
    assert alerts(fired.engine)[0].acknowledged_comment == "reverting"


def test_an_alert_is_assigned_to_a_member_of_its_team_or_to_any_name(
    fired: Seeded, open_page: Open, with_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_ROLES", "editor:email=alice@example.com")
    with write_scope(fired.engine) as session:
        save_team(session, "Web", {"repositories": ["acme/*"], "members": ["bob"]}, fired.now, actor=ACTOR)
    (alert,) = alerts(fired.engine)
    alice = {"email": "alice@example.com", "is_logged_in": True, "iat": time.time()}
    page = press(open_page("alerts", user=alice), f"assign-{alert.id}")
    assert list(page.selectbox(key="assign-name").options) == ["alice@example.com", "bob", "Web"]
    press(page, "assign-me")
    (known,) = alerts(fired.engine)
    assert (known.assignee, known.assigned_by) == ("alice@example.com", "alice@example.com")
    assert "alerts?assignee=alice%40example.com" in everything(page)
    # On the page of the alert, which shows its history.
    page = press(open_page("alerts", user=alice, alert=alert.id), f"assign-{alert.id}")
    page.selectbox(key="assign-name").set_value("bob")
    press(page, "assign-send")
    assert alerts(fired.engine)[0].assignee == "bob"
    assert "Assigned to bob by alice@example.com" in everything(page)
    assert 'alerts?team=Web"' in everything(page)
    press(press(page, f"assign-{alert.id}"), "assign-none")
    assert alerts(fired.engine)[0].assignee is None
    assert "Unassigned by alice@example.com" in everything(page)


def test_selected_alerts_are_changed_in_one_dialog(many: Seeded, open_page: Open) -> None:
    rows = {row.branch: row for row in read(many.engine, lambda session: list_alerts(session, limit=500))}
    first, second, resolved = rows["b2"], rows["b4"], rows["b3"]
    with write_scope(many.engine) as session:
        for branch, name in (("b1", "Payments"), ("b5", "bob")):
            assign(session, rows[branch].id, name, many.now, actor=ACTOR)
    page = open_page("alerts", find="b4")
    assert "Select open alerts first." in everything(selected_dialog(page))
    page = selected_dialog(open_page("alerts", find="b4"), first.id, second.id, resolved.id, 999_999)
    assert "2 open alerts" in everything(page)
    assert "2 selected alerts resolved meanwhile" in everything(page)
    page.segmented_control(key="bulk-silence").set_value("4 hours")
    page.selectbox(key="bulk-assignee").set_value("Payments")
    page.text_input(key="bulk-comment").set_value(HOSTILE)
    page.text_input(key="bulk-name").set_value("ann")
    press(page, "bulk-send")
    assert 'data-changes="1"' in everything(page)
    changed = {row.id: row for row in read(many.engine, lambda session: list_alerts(session, limit=500))}
    for row in (changed[first.id], changed[second.id]):
        assert (row.acknowledged_by, row.acknowledged_comment, row.assignee) == ("ann", HOSTILE, "Payments")
    assert (changed[resolved.id].acknowledged_at, changed[resolved.id].assignee) == (None, None)
    assert {(each.author, each.scope.branches) for each in read(many.engine, list_silences)} == {
        ("ann", ("b2",)), ("ann", ("b4",)),
    }  # fmt: skip
    # Only what was chosen: no acknowledgement, no silence.
    page = selected_dialog(open_page("alerts", find="b6"), rows["b6"].id)
    page.checkbox(key="bulk-acknowledge").set_value(False)
    page.selectbox(key="bulk-assignee").set_value("bob")
    press(page, "bulk-send")
    row = next(row for row in read(many.engine, lambda session: list_alerts(session, limit=500)) if row.branch == "b6")
    assert (row.assignee, row.acknowledged_at, len(read(many.engine, list_silences))) == ("bob", None, 2)


def test_the_page_of_an_alert_tells_what_happened_in_order(fired: Seeded, open_page: Open) -> None:
    (alert,) = alerts(fired.engine)
    minutes = [fired.now + timedelta(minutes=number) for number in range(10)]
    with write_scope(fired.engine) as session:
        acknowledge(session, alert.id, "ann", HOSTILE, minutes[1], actor=ACTOR)
        unacknowledge(session, alert.id, minutes[2], actor=ACTOR)
        assign(session, alert.id, "bob", minutes[3], actor=ACTOR)
        enqueue(session, alert.id, "repeat", {"email": {"subject": "s"}}, minutes[4])
        (claimed,) = claim_due_notifications(session, minutes[4], ["email"])
        mark_failed(session, claimed, "550 <b>refused</b>", minutes[4], permanent=True)
        resolve_alert(session, alert.id, alert.detail, minutes[5])
    page = open_page("alerts", alert=alert.id)
    (timeline,) = [block for block in html(page) if "ph-timeline" in block and "<style" not in block]
    entries = re.findall(r"<div>(.*?)</div></li>", timeline)
    assert [re.sub("<.*", "", entry) for entry in entries] == [
        "Opened by the rule ALERT_THRESHOLD", "Alert pending: slack", "Acknowledged by ann",
        "Acknowledgement taken back by ann", "Assigned to bob by ann", "Reminder failed: email", "Resolved",
    ]  # fmt: skip
    assert "&lt;script&gt;x" in entries[2]
    assert "550 &lt;b&gt;refused&lt;/b&gt;" in entries[5]
    facts = next(block for block in html(page) if "ph-alert-facts" in block and "<style" not in block)
    for text in ("3 failed runs in a row", "First bad run", "run?run_id=1", "Latest failed run", "no team"):
        assert text in facts
