"""Own rules for failure causes on the Failures page: list, form with the values of the URL, preview, changes."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from sqlalchemy import and_, select
from streamlit.testing.v1 import AppTest

from app.components.cause_rule_preview import preview_html
from db.definitions.records import LogRecord
from db.definitions.scope import Window
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import Job, JobLog, Run
from health.insights.causes import stored_rules
from health.insights.causes.identity import fingerprint
from health.insights.causes.model import CauseClass
from health.insights.causes.preview import ClassChange, PreviewedLine, RulePreview
from health.insights.causes.rules import CauseRule, rule_fingerprint
from health.insights.causes.stored_rules import add_rule, list_rules, mark_applied
from tests.app.conftest import Open
from tests.app.reading import everything, html, markdown, table
from tests.app.seeding import SECRET_LINE, Seeded, heartbeat
from tests.builders import ACTOR
from tests.causes import add_cause


@pytest.fixture
def with_logs(seeded: Seeded) -> Seeded:
    """Logs of two failed jobs of the last day with the same line, which is hostile."""
    with write_scope(seeded.engine) as session:
        for run_id in (8000, 8001):
            text = f"begin\nregistry <b>down</b> 503 {run_id}\n##[error]Process completed with exit code 1."
            store_log(session, 1, LogRecord(run_id * 100, run_id, LogState.STORED, text), seeded.now)
    return seeded


def add(seeded: Seeded, name: str, pattern: str = "x", **values: Any) -> int:
    with write_scope(seeded.engine) as session:
        rule = CauseRule(name, pattern, CauseClass.INFRASTRUCTURE, **values)
        return add_rule(session, rule, seeded.now, by="alice <b>", actor=ACTOR)


def stored(seeded: Seeded) -> list[CauseRule]:
    with session_scope(seeded.engine) as session:
        return list_rules(session)


def field(page: AppTest, name: str) -> str:
    """The key of a widget of the form."""
    widgets = (*page.text_input, *page.multiselect, *page.selectbox, *page.toggle)
    return next(str(widget.key) for widget in widgets if str(widget.key).startswith(f"cause-rule-{name}-"))


def preview(page: AppTest) -> str:
    return next((block for block in html(page) if 'class="ph-preview"' in block), "")


def errors(page: AppTest) -> list[str]:
    return [block for block in html(page) if "ph-field-error" in block and "<style>" not in block]


def test_the_limit_of_rules_is_no_fault_of_a_field(
    seeded: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("failures", show="rules", rule="new", text="registry")
    page.text_input(key=field(page, "name")).set_value("Registry down").run()
    monkeypatch.setattr(stored_rules, "MAX_RULES", 0)
    page.button(key="cause-rule-save").click().run()
    (message,) = page.error
    assert "rules already" in message.value
    assert "Name" not in message.value


def test_a_search_becomes_a_rule_with_a_preview(with_logs: Seeded, open_page: Open) -> None:
    search = open_page(
        "search", text="registry x.* 50[23]", regex="1", job="build", repo="acme/web", **{"class": "unknown"}
    )
    link = re.search(r'href="(failures\?show=rules[^"]*)"', "\n".join(html(search)))
    assert link is not None
    query = parse_qs(urlsplit(link[1].replace("&amp;", "&")).query)
    assert query == {
        "show": ["rules"], "rule": ["new"], "text": ["registry x.* 50[23]"], "regex": ["1"], "job": ["build"],
        "class": ["unknown"], "repo": ["acme/web"],
    }  # fmt: skip
    page = open_page("failures", **{name: values[0] for name, values in query.items()})
    assert page.text_input(key=field(page, "pattern")).value == "registry x.* 50[23]"
    assert page.toggle(key=field(page, "regex")).value is True
    assert page.multiselect(key=field(page, "jobs")).value == ["build"]
    assert page.multiselect(key=field(page, "repositories")).value == ["acme/web"]
    assert "No failed job" in everything(page)
    page.text_input(key=field(page, "pattern")).set_value("registry <b>.* 50[23]").run()
    shown = preview(page)
    assert "2 failed jobs in 2 runs</b> match in the last 30 days" in everything(page)
    assert 'href="log?run_id=8001&amp;attempt=1&amp;job_id=800100&amp;line=2"' in shown
    assert "registry &lt;b&gt;down&lt;/b&gt; 503 8001" in shown
    assert '<span class="ph-dim">no cause</span></td><td>→ <span class="ph-class ph-gray">Unknown' in shown
    assert "<th></th>" not in shown
    assert re.search(r"\d+ failed jobs without a stored log can match or not\.", shown)
    page.selectbox(key=field(page, "class")).set_value(CauseClass.INFRASTRUCTURE).run()
    assert "Infrastructure</span>" in preview(page)
    page.text_input(key=field(page, "name")).set_value("Registry <i>").run()
    assert "<h3>1 cause now → “Registry &lt;i&gt;” (2 jobs)</h3>" in preview(page)
    page.button(key="cause-rule-save").click().run()
    (rule,) = stored(with_logs)
    assert (rule.name, rule.pattern, rule.kind, rule.is_expression, rule.created_by) == (
        "Registry <i>", "registry <b>.* 50[23]", CauseClass.INFRASTRUCTURE, True, None,
    )  # fmt: skip
    assert (rule.repositories, rule.jobs, rule.steps, rule.enabled) == (("acme/web",), ("build",), (), True)
    assert set(page.query_params) == {"show", "repo"}


def test_rules_are_listed_with_matches_and_state(seeded: Seeded, open_page: Open) -> None:
    first = add(seeded, "Registry <i>", "<b>down</b>", jobs=("build", "test*"), repositories=("acme/*",))
    second = add(seeded, "Other", "a.c", is_expression=True, enabled=False)
    with write_scope(seeded.engine) as session:
        add_cause(session, 800100, 8001, fingerprint=rule_fingerprint(first), at=seeded.now)
        # The job was allowed to fail: the page of the cause does not list it.
        of_run = and_(Run.repository_id == Job.repository_id, Run.id == Job.run_id)
        passed_jobs = select(Job).join(Run, of_run).where(Run.repository_id == 1, Run.conclusion == "success")
        passed = session.scalars(passed_jobs.order_by(Run.created_at.desc())).first()
        assert passed is not None
        add_cause(session, passed.id, passed.run_id, fingerprint=rule_fingerprint(first), at=seeded.now)
        mark_applied(session, list_rules(session)[1], seeded.now)
    page = open_page("failures")
    (link,) = [block for block in html(page) if "Rules that name failure causes" in block]
    assert 'href="failures?show=rules"' in link
    assert "Rules · 2</a>" in link
    assert "(1 applying …)" in link
    rows = table(open_page("failures", show="rules"), "cause-rules")
    assert [row["Rule"].value for row in rows] == ["Registry <i>", "Other"], "the oldest first"
    assert [row["State"].text for row in rows] == ["◌ applying …", "⊘ disabled"]
    assert rows[0]["Rule"].links == [f"failures?show=rules&rule={first}"]
    assert rows[0]["Rule"].text == "Registry <i>text <b>down</b>"
    assert rows[0]["Scope"].text == "acme/* · job build, test*"
    assert rows[1]["Scope"].text == "all failed jobs"
    assert (rows[0]["Failed jobs"].text, rows[1]["Failed jobs"].text) == ("1", "0")
    assert rows[0]["Failed jobs"].links == [f"failures?cause={rule_fingerprint(first)}"]
    assert table(open_page("failures", show="rules", repo="acme/api"), "cause-rules")[0]["Failed jobs"].text == "–"
    shown = everything(open_page("failures", show="rules", rule=second))
    assert "by alice &lt;b&gt;" in shown
    heartbeat(seeded.engine, seeded.now - timedelta(hours=1))
    st.cache_data.clear()
    rows = table(open_page("failures", show="rules"), "cause-rules")
    assert [row["State"].text for row in rows] == ["◌ not applied: the collector is stopped", "⊘ disabled"]


def test_a_preview_names_attempts_and_jobs_that_keep_their_class() -> None:
    now = datetime(2026, 11, 18, tzinfo=UTC)
    lines = [
        PreviewedLine("acme/web", "CI", 7, 7169, attempt, attempt, "build", now, "no", 2, None) for attempt in (1, 2)
    ]
    same, other = CauseClass.INFRASTRUCTURE, CauseClass.TEST
    result = RulePreview(
        Window(now - timedelta(days=30), now), 45, 44, 0, [], 0,
        [ClassChange(same, same, 43), ClassChange(other, same, 2)], lines, 45, 0, 0, 0, is_partial=False,
    )  # fmt: skip
    shown = preview_html(result, "Registry", ZoneInfo("UTC"))
    assert ("build #7169</a>" in shown, "build #7169, attempt 2</a>" in shown) == (True, True)
    assert "43 failed jobs keep their class: " in shown
    assert shown.count("→") == 1


def test_a_rule_is_changed_and_deleted(with_logs: Seeded, open_page: Open) -> None:
    rule_id = add(with_logs, "Registry", "nothing")
    page = open_page("failures", show="rules", rule=rule_id)
    page.text_input(key=field(page, "pattern")).set_value("(a").run()
    page.toggle(key=field(page, "regex")).set_value(True).run()
    assert [message for message in errors(page) if "Line contains: invalid regular expression: missing )" in message]
    assert "Enter a valid rule" in everything(page)
    page.button(key="cause-rule-save").click().run()
    assert [rule.pattern for rule in stored(with_logs)] == ["nothing"]
    assert page.error == [], "the message is below the field"
    assert len(errors(page)) == 1
    page.toggle(key=field(page, "regex")).set_value(False).run()
    page.multiselect(key=field(page, "steps")).set_value(["x" * 201]).run()
    assert "Steps: each pattern must have 1 to 200" in errors(page)[0]
    page.multiselect(key=field(page, "steps")).set_value([]).run()
    page.text_input(key=field(page, "pattern")).set_value("registry").run()
    assert errors(page) == []
    page.button(key="cause-rule-save").click().run()
    assert [(rule.id, rule.pattern) for rule in stored(with_logs)] == [(rule_id, "registry")]
    assert "rule" not in page.query_params
    page = open_page("failures", show="rules", rule=rule_id)
    page.button(key="cause-rule-ask").click().run()
    page.button(key="cause-rule-keep").click().run()
    page.button(key="cause-rule-ask").click().run()
    assert "get their earlier causes again" in everything(page)
    del page.query_params["rule"]
    page.run()
    page.query_params["rule"] = str(rule_id)
    page.run()
    assert "get their earlier causes again" not in everything(page), "the question ends with the form"
    page.button(key="cause-rule-ask").click().run()
    page.button(key="cause-rule-delete-now").click().run()
    assert stored(with_logs) == []
    assert "No rules yet" in everything(page)


def test_what_was_entered_since_the_last_rendering_is_saved(with_logs: Seeded, open_page: Open) -> None:
    rule_id = add(with_logs, "Registry", "nothing")
    page = open_page("failures", show="rules", rule=rule_id)
    page.text_input(key=field(page, "pattern")).set_value("registry")
    page.selectbox(key=field(page, "class")).set_value(CauseClass.TEST)
    page.multiselect(key=field(page, "steps")).set_value(["Run *"])
    page.button(key="cause-rule-save").click().run()
    (rule,) = stored(with_logs)
    assert (rule.pattern, rule.kind, rule.steps) == ("registry", CauseClass.TEST, ("Run *",))
    page = open_page("failures", show="rules", rule=rule_id)
    page.text_input(key=field(page, "pattern")).set_value("")
    page.button(key="cause-rule-save").click().run()
    assert [rule.pattern for rule in stored(with_logs)] == ["registry"]
    assert page.error[0].value.replace("\\", "").startswith("Line contains: ")
    assert page.query_params["rule"] == str(rule_id), "an invalid rule stays open"


def test_a_change_of_another_user_does_not_replace_what_is_entered(with_logs: Seeded, open_page: Open) -> None:
    rule_id = add(with_logs, "Registry", "nothing")
    page = open_page("failures", show="rules", rule=rule_id)
    page.text_input(key=field(page, "pattern")).set_value("registry").run()
    with write_scope(with_logs.engine) as session:
        other = CauseRule("Other <b>", "elsewhere", CauseClass.LINT)
        assert stored_rules.update_rule(session, rule_id, other, with_logs.now + timedelta(seconds=1), actor=ACTOR)
    st.cache_data.clear()
    page.text_input(key=field(page, "name")).set_value("Mine").run()
    assert page.text_input(key=field(page, "pattern")).value == "registry"
    page.button(key="cause-rule-save").click().run()
    assert [rule.name for rule in stored(with_logs)] == ["Other <b>"]
    (message,) = page.error
    text = message.value.replace("\\", "")
    assert "changed since you opened it, to “Other <b>” (text elsewhere, Lint)" in text
    assert page.text_input(key=field(page, "pattern")).value == "registry"
    page.button(key="cause-rule-save").click().run()
    assert [(rule.name, rule.pattern) for rule in stored(with_logs)] == [("Mine", "registry")]
    page.query_params["rule"] = str(rule_id)
    page.run()
    page.text_input(key=field(page, "name")).set_value("Not saved").run()
    page.button(key="cause-rule-close").click().run()
    page.query_params["rule"] = str(rule_id)
    page.run()
    assert page.text_input(key=field(page, "name")).value == "Mine", "an opened form has the stored values"


def test_an_unknown_section_or_rule_is_reported(seeded: Seeded, open_page: Open) -> None:
    assert "show=x is unknown (expected rules)" in everything(open_page("failures", show="x")).replace("\\", "")
    page = open_page("failures", show="rules", rule="7")
    assert "rule=7 is ignored: this rule does not exist" in everything(page).replace("\\", "")
    page.button(key="new-cause-rule").click().run()
    assert page.query_params["rule"] == "new"
    assert errors(page) == [], "an empty pattern is no error before something is entered"
    page.button(key="cause-rule-close").click().run()
    assert "rule" not in page.query_params


def test_values_that_a_new_rule_cannot_have_are_reported(seeded: Seeded, open_page: Open) -> None:
    search = open_page("search", text="registry", **{"class": ["test", "lint"]})
    link = re.search(r'href="failures\?(show=rules[^"]*)"', "\n".join(html(search)))
    assert link is not None
    query = parse_qs(link[1].replace("&amp;", "&"))
    page = open_page("failures", **query | {"regex": "2", "text": "registry " + "x" * 300})
    shown = markdown(page).replace("\\", "")
    assert "A rule has one class, but the link has Test, Lint: the form begins with Unknown." in shown
    assert "regex=2 is unknown and was ignored (expected 1)" in shown
    assert "is too long: its first 200 characters apply" in shown
    assert page.selectbox(key=field(page, "class")).value == CauseClass.UNKNOWN
    assert len(page.text_input(key=field(page, "pattern")).value) == 200
    page = open_page("failures", show="rules", rule="new", text="registry", **{"class": "tset"})
    assert "class=tset is unknown (expected one of test, compile" in markdown(page).replace("\\", "")


def test_the_page_of_a_cause_leads_to_a_rule(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        session.get_one(JobLog, (1, 4)).fingerprint = fingerprint(SECRET_LINE)
    blocks = "\n".join(html(open_page("failures", cause=fingerprint(SECRET_LINE))))
    assert 'href="failures?show=rules&amp;rule=new&amp;text=%3Cimg+src%3Dx+onerror' in blocks
    assert "&amp;class=unknown" in blocks


def test_the_page_of_a_cause_leads_to_its_rule(seeded: Seeded, open_page: Open) -> None:
    rule_id = add(seeded, "Registry <i>")
    with write_scope(seeded.engine) as session:
        session.get_one(JobLog, (1, 4)).fingerprint = rule_fingerprint(rule_id)
    blocks = "\n".join(html(open_page("failures", cause=rule_fingerprint(rule_id))))
    assert re.search(rf'href="failures\?show=rules&amp;rule={rule_id}"[^>]*>Rule: Registry &lt;i&gt;</a>', blocks)
    assert "Save as rule" not in blocks


@pytest.mark.usefixtures("with_login")
def test_the_name_of_the_user_is_recorded(seeded: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_ROLES", "admin:email=alice@example.com")
    user: dict[str, Any] = {"is_logged_in": True, "sub": "a", "email": "alice@example.com", "email_verified": True}
    user["iat"] = int(time.time())
    page = open_page("failures", user=user, show="rules", rule="new", text="needle")
    page.button(key="cause-rule-save").click().run()
    assert [rule.created_by for rule in stored(seeded)] == ["alice@example.com"]
