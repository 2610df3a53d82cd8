"""Own rules for failure causes and known causes, in the database."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from db.engine import session_scope, write_scope
from db.models import CauseAlias, CauseTriage, JobCause, StoredCauseRule
from health.insights.causes import stored_rules, triage
from health.insights.causes.identity import fingerprint
from health.insights.causes.model import CauseClass
from health.insights.causes.preview import preview_rule
from health.insights.causes.rules import MAX_RULES, CauseRule, rule_fingerprint
from health.insights.causes.triage import InvalidTriage, Triage, known_causes, validate_triage
from health.log_search.index import index_logs
from tests.builders import ACTOR, NOON
from tests.failed_logs import REGISTRY, fill

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RULE = CauseRule("Registry down", r"registry .*\b50[23]\b", CauseClass.INFRASTRUCTURE, is_expression=True)


def test_a_preview_counts_the_stored_failures_that_match(engine: Engine) -> None:
    fill(engine)
    index_logs(engine, seconds=10)
    with session_scope(engine) as session:
        found = preview_rule(session, RULE, NOON)
    # By hand: the runs 2, 3, 7, 101 to 105; 1 and 4 print 501 and 504, and 6 prints it before its failed step.
    assert (found.jobs, found.runs, found.older_rules) == (8, 8, 0)
    assert (found.searched, found.excerpts, found.without_log) == (10, 2, 1)
    assert (found.unread, found.is_partial) == (0, False)
    assert sum(cause.jobs for cause in found.causes) == 8
    assert [(line.run_id, line.line_number) for line in found.lines[:3]] == [(101, 2), (102, 2), (103, 2)]
    assert {line.run_id for line in found.lines} == {2, 3, 7, 101, 102, 103, 104, 105}
    assert found.lines[0].line == REGISTRY
    excerpt = next(line for line in found.lines if line.run_id == 104)
    assert (excerpt.line, excerpt.line_number) == (REGISTRY, 8)
    assert sum(change.jobs for change in found.classes) == 8
    assert {change.after for change in found.classes} == {CauseClass.INFRASTRUCTURE}


@SQLITE
def test_a_preview_has_the_limits_of_the_rule(engine: Engine) -> None:
    fill(engine)
    with write_scope(engine) as session:
        older = stored_rules.add_rule(
            session, replace(RULE, repositories=("acme/api",), kind=CauseClass.DEPENDENCY), NOON, by="ann", actor=ACTOR
        )
        session.execute(update(JobCause).where(JobCause.job_id == 20).values(kind="compile"))
    with session_scope(engine) as session:
        web = preview_rule(session, replace(RULE, repositories=("acme/WEB",)), NOON)
        assert {line.run_id for line in web.lines} == {2, 3, 7}
        assert (web.searched, web.without_log) == (7, 1)
        assert (CauseClass.COMPILE, 1) in [(change.before, change.jobs) for change in web.classes]
        jobs = preview_rule(session, replace(RULE, jobs=("test",)), NOON)
        assert {line.run_id for line in jobs.lines} == {2, 3, 7, 104, 105}
        steps = preview_rule(session, replace(RULE, steps=("Push",)), NOON)
        assert (steps.jobs, steps.is_partial) == (0, False)
        year = preview_rule(session, replace(RULE, enabled=False), NOON, days=365)
        assert (year.jobs, year.older_rules) == (9, 5)
        assert {(change.after, change.jobs) for change in year.classes if change.after == "dependency"}
        # The stored rule itself is replaced by what is previewed.
        same = preview_rule(session, replace(RULE, id=older, repositories=()), NOON)
        assert (same.jobs, same.older_rules) == (8, 0)
        late = preview_rule(session, RULE, NOON, seconds=0)
        assert (late.jobs, late.is_partial, late.unread > 0) == (0, True, True)


def test_rules_are_stored_in_the_order_in_which_they_are_tried(engine: Engine) -> None:
    with write_scope(engine) as session:
        first = stored_rules.add_rule(session, replace(RULE, jobs=("a", "b")), NOON, by="ann", actor=ACTOR)
        second = stored_rules.add_rule(session, replace(RULE, name="A"), NOON, by=None, actor=ACTOR)
        stored_rules.mark_applied(session, stored_rules.list_rules(session)[0], NOON)
    with session_scope(engine) as session:
        listed = stored_rules.list_rules(session)
        assert [(rule.id, rule.created_by, rule.applied_at) for rule in listed] == [
            (first, "ann", NOON), (second, None, None)
        ]  # fmt: skip
        assert replace(listed[0], jobs=()) == replace(
            RULE, id=first, created_at=NOON, created_by="ann", updated_at=NOON, applied_at=NOON
        )
    later = NOON + timedelta(hours=1)
    with write_scope(engine) as session:
        before = stored_rules.get_rule(session, first)
        assert before is not None
        assert stored_rules.update_rule(session, first, replace(RULE, enabled=False), later, actor=ACTOR)
        assert not stored_rules.update_rule(session, 999, RULE, later, actor=ACTOR)
        # What was changed while it was being applied is applied again.
        stored_rules.mark_applied(session, before, later)
        assert [rule.id for rule in stored_rules.unapplied_rules(session)] == [first, second]
    with write_scope(engine) as session:
        session.add(CauseTriage(fingerprint=rule_fingerprint(first), created_at=NOON, updated_at=NOON))
        assert stored_rules.delete_rule(session, first, later, actor=ACTOR)
        assert not stored_rules.delete_rule(session, first, later, actor=ACTOR)
        assert stored_rules.get_rule(session, first) is None
        assert known_causes(session, None, later) == {}
        deleted = stored_rules.unapplied_rules(session)[0]
        assert stored_rules.is_deleted(deleted)
        stored_rules.mark_applied(session, deleted, later)
        assert session.scalars(select(StoredCauseRule.id)).all() == [second]


@SQLITE
def test_the_number_of_rules_is_limited(engine: Engine) -> None:
    with write_scope(engine) as session:
        for _ in range(MAX_RULES):
            stored_rules.add_rule(session, RULE, NOON, by=None, actor=ACTOR)
        with pytest.raises(stored_rules.TooManyRules, match="delete one first"):
            stored_rules.add_rule(session, RULE, NOON, by=None, actor=ACTOR)
        stored_rules.delete_rule(session, 1, NOON, actor=ACTOR)
        stored_rules.add_rule(session, RULE, NOON, by=None, actor=ACTOR)


def test_a_cause_is_known_until_its_mark_ends(engine: Engine) -> None:
    fill(engine)
    cause = fingerprint(REGISTRY) or ""
    mark = validate_triage(Triage(" OPS-123 ", "platform  team", "since the move", NOON + timedelta(days=7)), NOON)
    with write_scope(engine) as session:
        assert triage.set_triage(session, "f" * 24, mark, NOON, by="ann", actor=ACTOR) is None
        session.add(CauseAlias(fingerprint="0" * 20, current=cause))
        session.flush()
        # Under an earlier fingerprint, as in an old link.
        assert triage.set_triage(session, "0" * 20, mark, NOON, by="ann", actor=ACTOR) == cause
    with session_scope(engine) as session:
        known = known_causes(session, [cause, "0" * 20, "f" * 24], NOON)
        assert known.keys() == {cause, "0" * 20}
        assert known[cause] == known["0" * 20]
        assert (known[cause].created_by, known[cause].text) == ("ann", "known: OPS-123 (platform team)")
        assert known_causes(session, [cause], NOON + timedelta(days=7)) == {}
        assert triage.get_triage(session, "f" * 24, NOON) is None
    later = NOON + timedelta(hours=1)
    with write_scope(engine) as session:
        triage.set_triage(session, cause, Triage("https://x.example/browse/OPS-4"), later, by="bob", actor=ACTOR)
        known = known_causes(session, None, later)
        assert (known[cause].created_by, known[cause].created_at, known[cause].updated_at) == ("ann", NOON, later)
        assert (known[cause].until, known[cause].text) == (None, "known: OPS-4")
        # A mark under a fingerprint that became an alias later.
        session.execute(update(CauseTriage).values(fingerprint="0" * 20))
        assert known_causes(session, [cause], later).keys() == {cause}
        assert triage.remove_triage(session, cause, NOON, actor=ACTOR)
        assert not triage.remove_triage(session, cause, NOON, actor=ACTOR)
        assert known_causes(session, [cause], later) == {}


@pytest.mark.parametrize("ticket", ["OPS-123", "#45", "acme/web#45", "https://x.example/OPS-1", "http://x.example:8/a"])
def test_a_ticket_is_an_address_or_a_key(ticket: str) -> None:
    assert validate_triage(Triage(ticket), NOON).ticket == ticket


@pytest.mark.parametrize(
    ("mark", "field"),
    [
        (Triage("javascript:alert(1)"), "ticket"),
        (Triage("ftp://x.example/1"), "ticket"),
        (Triage("https://"), "ticket"),
        (Triage("https://user@x.example/1"), "ticket"),
        (Triage("see OPS-123"), "ticket"),
        (Triage("https://x.example/" + "a" * 500), "ticket"),
        (Triage(owner="a\x1b[31m"), "owner"),
        (Triage(owner="a" * 201), "owner"),
        (Triage(comment="a" * 1_001), "comment"),
        (Triage(until=NOON), "until"),
        (Triage(until=NOON + timedelta(days=4_000)), "until"),
    ],
)
def test_an_invalid_mark_names_its_field_in_one_line(mark: Triage, field: str) -> None:
    with pytest.raises(InvalidTriage) as raised:
        validate_triage(mark, NOON)
    assert raised.value.field == field
    assert "\n" not in str(raised.value)


def test_the_text_of_a_mark_is_short() -> None:
    assert Triage().text == "known"
    assert Triage(owner="ann").text == "known: (ann)"
    assert Triage("https://github.com/acme/web/issues/45", "ann").text == "known: #45 (ann)"
    assert Triage("https://x.example/").label == "x.example"
