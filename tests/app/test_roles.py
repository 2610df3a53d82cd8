"""What users of each role are offered and may do. The functions that write are called by the script of a real session:
a browser can send the events of buttons that a page does not show."""

import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import Open
from tests.app.seeding import RERUN, Seeded, heartbeat

ROLES = "admin:groups=platform,editor:groups=dev,admin:email=root@example.com"
USERS: dict[str, dict[str, Any]] = {
    "viewer": {"email": "eve@example.com"},
    "forged": {"email": "root@example.com", "email_verified": False, "groups": "platform,dev"},
    "editor": {"email": "bob@example.com", "groups": ["dev", "web"]},
    "admin": {"email": "ann@example.com", "groups": ["platform"]},
}
# Whether viewers, editors and admins may press the button of the page.
BUTTONS = {
    ("alerts", "show=rules", "rule-new"): (False, False, True),
    ("alerts", "show=rules&rule=new", "rule-save"): (False, False, True),
    ("alerts", "show=silences", "new-silence-send"): (False, True, True),
    ("alerts", "show=silences", "test-slack"): (False, False, True),
    ("failures", "show=rules", "new-cause-rule"): (False, False, True),
    ("failures", "show=rules&rule=new&text=x", "cause-rule-save"): (False, False, True),
    ("run", f"run_id={RERUN}", "triage-open"): (False, True, True),
}


@pytest.fixture(autouse=True)
def _roles(with_login: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_ROLES", ROLES)
    # Also those whose address the provider did not verify.
    monkeypatch.setenv("AUTH_ALLOWED_DOMAINS", "*")


def signed_in(name: str) -> dict[str, Any]:
    return {"is_logged_in": True, "sub": name, "iss": "https://id.example.com", "iat": time.time()} | USERS[name]


@pytest.mark.parametrize("place", BUTTONS, ids=lambda place: place[2])
def test_a_button_is_offered_to_those_who_may(seeded: Seeded, open_page: Open, place: tuple[str, str, str]) -> None:
    page, query, key = place
    heartbeat(seeded.engine, seeded.now, channels=["slack"])
    parameters = dict(part.split("=") for part in query.split("&"))
    offered, reasons = [], []
    for name in ("viewer", "editor", "admin"):
        shown = open_page(page, user=signed_in(name), **parameters)
        button = next(button for button in shown.button if button.key == key)
        offered.append(not button.disabled)
        reasons.append(button.help)
        assert f">{name}</small>" in str([each.proto for each in shown.sidebar.get("html")])
    assert tuple(offered) == BUTTONS[place]
    needed = "editor" if BUTTONS[place][1] else "admin"
    assert reasons[0] == f"This needs the role {needed}; yours is viewer. Ask an administrator of the dashboard."
    assert "needs the role" not in (reasons[2] or "")


def _call_all() -> None:
    """A script that calls each function that writes, and records which of them the role of the user refuses."""
    from datetime import timedelta

    import streamlit as st

    from app.data import alerts, cause_rules, causes, views
    from app.session import ActionRefused
    from db.enums import RuleKind
    from db.saved_views import InvalidView
    from health.alerts.channels.base import Message
    from health.alerts.rules.rules import Rule
    from health.alerts.rules.targets import Patterns
    from health.insights.causes.model import CauseClass
    from health.insights.causes.rules import CauseRule
    from health.insights.causes.triage import Triage

    scope, span = Patterns(("acme/web",)), timedelta(hours=1)
    writes = {
        "viewer": [lambda: views.save_view("mine", "", "runs", "")],
        "editor": [
            lambda: alerts.acknowledge(1, "x", ""),
            lambda: alerts.unacknowledge(1),
            lambda: alerts.assign(1, "x"),
            lambda: alerts.acknowledge_all([1], "x", ""),
            lambda: alerts.silence_all([1], span, "", "x"),
            lambda: alerts.add_silence(scope, None, span, "", "x"),
            lambda: alerts.end_silence(1),
            lambda: causes.mark_known("unknown", Triage(ticket="OPS-1")),
            lambda: causes.unmark(["unknown"]),
        ],
        "admin": [
            lambda: alerts.save_rule(Rule("r", RuleKind.FAILURE_RATE, 0.5)),
            lambda: alerts.delete_rule(99),
            lambda: alerts.request_test("slack", Message("s", "h")),
            lambda: cause_rules.save_rule(CauseRule("r", "needle", CauseClass.TEST)),
            lambda: cause_rules.delete_rule(99),
        ],
    }
    results = {}
    for needed, functions in writes.items():
        refused = []
        for function in functions:
            try:
                function()
            except ActionRefused as error:
                refused.append(str(error))
            except (causes.UnknownCause, InvalidView):
                pass
        results[needed] = len(refused) / len(functions), sorted(set(refused))
    st.session_state["results"] = results


@pytest.mark.parametrize("name", USERS)
def test_what_a_role_may_not_do_is_refused_below_the_pages(seeded: Seeded, name: str) -> None:
    script = AppTest.from_function(_call_all, default_timeout=30)
    script.user = signed_in(name)
    script.run()
    assert not script.exception, script.exception
    rank = {"viewer": 1, "forged": 1, "editor": 2, "admin": 3}[name]
    for needed, (share, messages) in script.session_state["results"].items():
        is_allowed = rank >= {"viewer": 1, "editor": 2, "admin": 3}[needed]
        assert share == (0 if is_allowed else 1), (needed, messages)
        expected = f"This needs the role {needed}; yours is {'editor' if name == 'editor' else 'viewer'}. "
        assert [message.startswith(expected) for message in messages] == [True] * (not is_allowed), messages


def test_an_ended_session_may_write_nothing(seeded: Seeded) -> None:
    script = AppTest.from_function(_call_all, default_timeout=30)
    script.user = signed_in("admin") | {"iat": time.time() - 90_000}
    script.run()
    results = script.session_state["results"]
    assert [results["editor"], results["admin"]] == [(1, ["Your session has ended: reload the page and sign in."])] * 2


def test_without_a_login_everybody_is_admin(seeded: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.app.conftest import AUTH

    for name in (*AUTH, "AUTH_ROLES"):
        monkeypatch.delenv(name)
    page = open_page("alerts", show="rules")
    assert not page.button(key="rule-new").disabled
