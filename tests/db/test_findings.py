"""Findings over the rows. Figures of a cause are of the window, its first and last time of all that is stored."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, insert, select

from collector.logs.reextraction import extract_outdated_causes
from db.collection.sync_state import sync_state
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.models import CauseAlias, Job, JobCause, JobLog
from health.alerts.attention import attention
from health.insights.causes.cause_context import cause_context, first_run
from health.insights.causes.class_trend import ClassCount
from health.insights.causes.distinctions import Feature
from health.insights.causes.identity import fingerprint_of
from health.insights.causes.queries import MAX_CAUSES, cause_runs, causes, summarize
from health.insights.causes.triage import Triage, set_triage
from health.insights.finding_queries import first_and_last_seen, run_times_of_cause
from health.insights.fingerprints import earlier_fingerprint
from health.insights.regressions import regressions
from tests.builders import ACTOR, NOON, add_repository, job, run, store_jobs, store_runs
from tests.causes import add_cause
from tests.failed_logs import excerpt_of
from tests.findings import BEFORE, CAUSE, DAY, LATEST, LINE, LONG_AGO, OTHER_CAUSE, failed_job, fill, name_cause, named
from tests.kept import Kept

NOW = NOON + timedelta(hours=6)
MONTH = Window(NOW - timedelta(days=30), NOW)
ALL = Scope()


@pytest.fixture
def filled(engine: Engine, kept: Kept) -> Engine:
    kept.fill(engine, fill)
    return engine


def extract(engine: Engine) -> int:
    return extract_outdated_causes(engine, threading.Event(), seconds=60)


def spans(engine: Engine, scope: Scope = ALL, window: Window = MONTH) -> dict[str, tuple[float, float]]:
    """Days before noon of the first and the last time of each cause."""
    with session_scope(engine) as session:
        return {each.fingerprint: (_ago(each.first_at), _ago(each.last_at))
                for each in causes(session, scope, window, NOW).items}  # fmt: skip


def _ago(moment: datetime) -> float:
    return (NOON - moment) / timedelta(days=1)


def test_a_cause_was_first_seen_when_it_was_whatever_the_window(filled: Engine) -> None:
    assert spans(filled)[CAUSE] == (60, 1)
    assert spans(filled, window=Window(NOW - timedelta(hours=40), NOW))[CAUSE] == (60, 1)


def test_a_window_of_the_past_knows_that_a_cause_came_back(filled: Engine) -> None:
    past = Window(NOW - timedelta(days=90), NOW - timedelta(days=40))
    assert spans(filled, window=past) == {CAUSE: (60, 1)}
    with session_scope(filled) as session:
        (cause,) = causes(session, ALL, past, NOW).items
    assert (cause.runs, cause.last_run_id, sum(cause.by_day)) == (1, 1, 1)


def test_first_and_last_are_of_the_scope(filled: Engine) -> None:
    for run_id, minutes, branch in ((31, -90 * DAY, "feature"), (32, 0, "feature")):
        store_runs(filled, run(run_id, minutes=minutes, branch=branch, conclusion="failure"))
        name_cause(filled, run_id, CAUSE, LINE)
    store_runs(filled, run(33, minutes=-300 * DAY, workflow_id=7, conclusion="failure"), repository_id=2)
    name_cause(filled, 33, CAUSE, LINE, repository_id=2)
    assert spans(filled)[CAUSE] == (300, 0)
    assert spans(filled, Scope(repos=("acme/web",)))[CAUSE] == (90, 0)
    assert spans(filled, Scope(repos=("acme/web",), branches=("main",)))[CAUSE] == (60, 1)
    assert spans(filled, Scope(actors=("bob",))).keys() == {OTHER_CAUSE}


def test_the_lines_of_one_cause_count_together(filled: Engine) -> None:
    """The old one is in the window by a line that differs a little."""
    near = named(LINE.replace("line", "linie"))
    for run_id, minutes in ((34, -200 * DAY), (35, -5)):
        store_runs(filled, run(run_id, minutes=minutes, branch="feature", conclusion="failure"))
        name_cause(filled, run_id, near, LINE.replace("line", "linie"))
    assert spans(filled)[CAUSE] == (200, 5 / DAY)
    with session_scope(filled) as session:
        one = cause_runs(session, near, Scope(), MONTH, NOW)
    assert one is not None
    assert (one.cause.fingerprint, _ago(one.cause.first_at), len(one.runs)) == (CAUSE, 200, 3)


def test_the_runs_of_a_cause_are_compared_with_the_others_of_their_workflows(filled: Engine) -> None:
    """By the jobs that ran: those of other workflows, copies and skipped jobs say nothing."""
    for number in range(300, 330):
        failed = number < 308
        ended = {"conclusion": "failure" if failed else "success"}
        store_runs(filled, run(number, minutes=-number, branch="feature", **ended))
        machine = "runner-7" if failed or number == 308 else "runner-1"
        store_jobs(
            filled, number, job(number * 10, name="test", runner=machine, labels=("big",), **ended),
            job(number * 10 + 1, name="test", runner="runner-7", conclusion="skipped"),
        )  # fmt: skip
        if failed:
            name_cause(filled, number, CAUSE, LINE)
    with session_scope(filled) as session:
        one = cause_runs(session, CAUSE, ALL, MONTH, NOW)
        assert one is not None
        assert one.first_run is not None
        assert (one.first_run.id, one.runs[0][0].id) == (LONG_AGO, 300)
        context = cause_context(session, one.failed_jobs, ALL, MONTH, UTC)
        nothing = cause_context(session, [], ALL, MONTH, UTC)
    (only,) = [item for item in context.distinctions if item.feature is Feature.RUNNER]
    assert (only.values, only.runs, only.known, only.others) == (("runner-7",), 8, 8, 22)
    assert only.others_share == pytest.approx(1 / 22)
    # Two more runs have the cause, in jobs without a runner.
    assert (context.jobs, context.runs, context.since, nothing.jobs) == (8 + 22 + 3 + 2, 10, None, 0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_causes_of_a_window_are_limited(engine: Engine) -> None:
    """20 failed tests of each job: the last job with some causes above the limit is left out. A statement of PostgreSQL
    has at most 65,535 parameters."""
    add_repository(engine)
    store_runs(engine, run(1, conclusion="failure"))
    ids = range(10, 10 + MAX_CAUSES // 20 + 1)
    with write_scope(engine) as session:
        session.execute(insert(Job.__table__), [failed_job(job_id, 1) for job_id in ids])
        logs = {"repository_id": 1, "run_id": 1, "state": "stored", "truncated": False, "tries": 1, "requested_at": NOW}
        session.execute(
            insert(JobLog.__table__),
            [logs | {"job_id": job_id, "error_line": "a", "fingerprint": f"{job_id}-0"} for job_id in ids],
        )
        shared = {
            "repository_id": 1, "run_id": 1, "kind": "test", "tool": "pytest", "subject": "test_a", "message": "",
            "line": "FAILED", "source": "log", "created_at": NOON,
        }  # fmt: skip
        session.execute(
            insert(JobCause.__table__),
            [
                shared | {"job_id": job_id, "position": position, "fingerprint": f"{job_id}-{position}"}
                for job_id in ids
                for position in range(20)
            ],
        )
    with session_scope(engine) as session:
        listed = causes(session, ALL, MONTH, NOW, limit=1)
        assert (listed.total, listed.looked_at, listed.truncated) == (MAX_CAUSES, MAX_CAUSES // 20, True)
        one = cause_runs(session, "10-1", ALL, MONTH, NOW)
        assert one is not None
        assert (one.truncated, one.looked_at, one.cause.jobs) == (True, MAX_CAUSES // 20, 1)
        names = [f"{job_id}-{position}" for job_id in ids for position in range(20)]
        assert len(first_and_last_seen(session, ALL, names)) == len(names)
        assert first_run(session, ALL, names) is not None


def test_causes_have_class_tool_subject_and_mark(filled: Engine) -> None:
    """From the causes of the log, or from the line while they are not extracted; the trend counts runs by class."""
    line = "FAILED tests/test_shop.py::test_a - assert 1 == 2"
    store_runs(filled, run(46, minutes=-46, branch="feature", conclusion="failure"))
    name_cause(filled, 46, named(line), line)
    with write_scope(filled) as session:
        session.add(
            JobCause(
                repository_id=1, job_id=LATEST * 10, position=0, run_id=LATEST, kind="infrastructure", tool="rule",
                subject="Proxy", message="a line", line=LINE, line_number=7, source="rule", rule_id=3,
                fingerprint=CAUSE, created_at=NOW,
            )
        )  # fmt: skip
        set_triage(
            session, named(line), Triage(ticket="OPS-1", until=NOW + timedelta(days=1)), NOW, by=None, actor=ACTOR
        )
    with session_scope(filled) as session:
        listed = causes(session, ALL, MONTH, NOW)
        later = causes(session, ALL, MONTH, NOW + timedelta(days=2))
        one = cause_runs(session, CAUSE, ALL, MONTH, NOW)
    by_key = {cause.fingerprint: cause for cause in listed.items}
    ruled, test = by_key[CAUSE], by_key[named(line)]
    assert (ruled.kind, ruled.tool, ruled.subject, ruled.known) == ("infrastructure", "rule", "Proxy", None)
    assert (test.kind, test.tool, test.subject) == ("test", "pytest", "tests/test_shop.py::test_a")
    assert (test.known.ticket if test.known else None) == "OPS-1"
    assert not any(cause.known for cause in later.items)
    summary, untriaged = summarize(listed, MONTH), [cause for cause in listed.items if cause.known is None]
    assert summary.untriaged == len(untriaged) == len(listed.items) - 1
    assert sum(summary.by_day) == sum(bool(runs) for cause in untriaged for runs in cause.by_day)
    totals = Counter[str]()
    for point in listed.trend:
        totals.update(point.runs)
    assert (totals["infrastructure"], totals["test"]) == (2, 1)
    assert [(point.start, point.partial) for point in listed.trend][-1] == (NOW.replace(hour=0), True)
    assert one is not None
    assert [job.line_number for _, job in one.runs] == [7, None]


def test_every_cause_of_a_job_is_listed_and_classes_are_counted(filled: Engine) -> None:
    """Three failed jobs have a cause in fill(); one of them gets a second one, and a fourth is cancelled."""
    second = "a" * 24
    store_runs(filled, run(47, minutes=-47, branch="feature", conclusion="failure"))
    store_jobs(filled, 47, job(470, conclusion="timed_out"))
    with write_scope(filled) as session:
        at = NOON - timedelta(minutes=47)
        add_cause(session, LATEST * 10, LATEST, line=LINE, fingerprint=CAUSE, at=NOON)
        add_cause(session, LATEST * 10, LATEST, 1, kind="lint", fingerprint=second, subject="a.py", at=NOON)
        add_cause(session, 470, 47, kind="cancelled", tool="runner", fingerprint=None, line="canceled", at=at)
    with session_scope(filled) as session:
        listed = causes(session, ALL, MONTH, NOW)
        lint = causes(session, ALL, MONTH, NOW, classes=["lint"])
        one = cause_runs(session, second, ALL, MONTH, NOW)
        runs = {cause.fingerprint: (cause.kind, cause.jobs, cause.runs) for cause in listed.items}
        times = run_times_of_cause(session, ALL, MONTH, second, limit=9)
    assert runs == {CAUSE: ("test", 2, 2), OTHER_CAUSE: ("unknown", 1, 1), second: ("lint", 1, 1)}
    assert (listed.looked_at, listed.total, lint.total) == (3, 3, 1)
    assert [cause.fingerprint for cause in lint.items] == [second]
    counts = [ClassCount("test", 1, 2, 2), *(ClassCount(kind, 1, 1, 1) for kind in ("unknown", "lint"))]
    assert listed.classes == lint.classes
    assert sorted(listed.classes, key=lambda count: count.kind) == sorted(
        [*counts, ClassCount("cancelled", 0, 1, 1)], key=lambda count: count.kind
    )
    assert one is not None
    assert [run.id for run, _ in one.runs] == [LATEST]
    assert times == [NOON - timedelta(days=1)]


def test_fingerprints_of_earlier_rules_are_made_anew(filled: Engine) -> None:
    """They took two tests for one; the collector rewrites them, and what is read before that is right in its window."""
    lines = {40 + k: f"FAILED tests/test_shop.py::test_{name} - assert 1 == 2" for k, name in enumerate("abc")}
    for run_id, line in lines.items():
        store_runs(filled, run(run_id, minutes=-run_id, branch="feature", conclusion="failure"))
        name_cause(filled, run_id, "0" * 16, line)
    store_runs(
        filled, run(44, minutes=-100 * DAY, branch="feature", conclusion="failure"), run(45, conclusion="failure")
    )
    name_cause(filled, 44, "0" * 16, lines[41])
    name_cause(filled, 45, "1" * 16, "The operation was canceled.")
    assert spans(filled)[named(lines[41])] == (41 / DAY, 41 / DAY)
    assert extract(filled) >= 5
    assert extract(filled) == 0
    assert {key: spans(filled)[key][0] for key in map(named, lines.values())} == {
        named(lines[40]): 40 / DAY, named(lines[41]): 100, named(lines[42]): 42 / DAY,
    }  # fmt: skip
    with session_scope(filled) as session:
        assert session.scalars(select(JobLog.fingerprint).where(JobLog.run_id == 45)).one() is None


def test_a_link_with_a_fingerprint_of_earlier_rules_leads_to_its_cause(filled: Engine) -> None:
    """Before and after the collector has rewritten it."""
    line = "FAILED tests/test_shop.py::test_a - assert 1 == 2"
    store_runs(filled, run(46, minutes=-46, branch="feature", conclusion="failure"))
    name_cause(filled, 46, earlier_fingerprint(line), line)
    for refreshed in (0, 1):
        with session_scope(filled) as session:
            one = cause_runs(session, earlier_fingerprint(line), Scope(), MONTH, NOW)
        assert one is not None
        assert (one.cause.fingerprint, one.cause.line) == (named(line), line)
        assert (extract(filled) > 0) == (not refreshed)


def test_a_link_with_an_alias_leads_to_the_current_cause(filled: Engine) -> None:
    with write_scope(filled) as session:
        session.add(CauseAlias(fingerprint="a" * 24, current=CAUSE))
    with session_scope(filled) as session:
        one = cause_runs(session, "a" * 24, ALL, MONTH, NOW)
    assert one is not None
    assert one.cause.fingerprint == CAUSE


def test_runs_with_an_earlier_fingerprint_are_of_the_current_cause(filled: Engine) -> None:
    """The collector extracts the newest logs first: older ones still have the earlier fingerprint."""
    store_runs(filled, run(34, minutes=-8 * DAY, branch="feature", conclusion="failure"))
    name_cause(filled, 34, CAUSE, LINE)
    before = run_times(filled)
    with write_scope(filled) as session:
        session.add(CauseAlias(fingerprint="a" * 24, current=CAUSE))
        for run_id in (LONG_AGO, BEFORE, 34):
            session.get_one(JobLog, (1, run_id * 10)).fingerprint = "a" * 24
    window = Window(NOW - timedelta(hours=40), NOW)
    with session_scope(filled) as session:
        sync_state(session, 1).complete_since = sync_state(session, 2).complete_since = NOW - timedelta(days=90)
        (cause,) = (cause for cause in causes(session, ALL, window, NOW).items if cause.fingerprint == CAUSE)
        one = cause_runs(session, CAUSE, ALL, window, NOW)
    assert (_ago(cause.first_at), cause.runs, cause.runs_before) == (60, 1, 1)
    assert one is not None
    assert one.first_run is not None
    assert one.first_run.id == LONG_AGO
    assert run_times(filled) == before


def run_times(engine: Engine) -> list[datetime]:
    with session_scope(engine) as session:
        return run_times_of_cause(session, ALL, Window(NOW - timedelta(days=90), NOW), CAUSE, limit=9)


def test_causes_with_equal_lines_differ_by_the_subject_that_other_lines_name(filled: Engine) -> None:
    """ESLint names the file above the line."""
    line = "12:5  error  Unexpected console statement  no-console"
    keys = []
    for number, file in ((46, "src/a.js"), (47, "src/b.js"), (48, "src/b.js")):
        log = ["##[group]Run npx eslint .", "##[endgroup]", "/home/runner/work/web/web/" + file, "  " + line]
        cause = excerpt_of([*log, "✖ 1 problem (1 error, 0 warnings)", "##[error]exit 1"]).cause
        assert cause is not None
        assert cause.line == line
        keys.append(fingerprint_of(cause))
        store_runs(filled, run(number, minutes=-number, branch="feature", conclusion="failure"))
        name_cause(filled, number, keys[-1], line)
    with session_scope(filled) as session:
        runs = {cause.fingerprint: cause.runs for cause in causes(session, ALL, MONTH, NOW).items if cause.line == line}
    assert runs == {keys[0]: 1, keys[1]: 2}


def test_a_limit_leaves_causes_out_and_counts_them(filled: Engine) -> None:
    with session_scope(filled) as session:
        found, whole = (causes(session, ALL, MONTH, NOW, limit=limit) for limit in (1, None))
    assert found.items == whole.items[:1]
    assert (found.total, whole.total, len(whole.items)) == (2, 2, 2)
    assert (found.truncated, found.looked_at) == (False, 3)


def test_the_times_of_all_causes_are_one_question(filled: Engine) -> None:
    said: list[str] = []
    store_runs(filled, *(run(100 + k, minutes=-k, branch="feature", conclusion="failure") for k in range(40)))
    for k in range(40):
        line = f"{chr(65 + k) * 12} broke"
        name_cause(filled, 100 + k, named(line), line)
    event.listen(filled, "before_cursor_execute", lambda *given: said.append(given[2]))
    assert len(spans(filled)) == 42
    assert len([text for text in said if "min(runs.created_at)" in text and "job_logs" in text]) == 1


def test_a_regression_is_looked_for_among_the_runs_of_the_scope(filled: Engine) -> None:
    """Slow nightly runs of a workflow make its pushes no slower."""
    nightly = [run(5_000 + k, minutes=-k * 60, workflow_id=7, seconds=3_000, event="schedule") for k in range(40)]
    store_runs(filled, *nightly, repository_id=2)
    with session_scope(filled) as session:
        (of_pushes,) = [
            each
            for each in regressions(session, Scope(workflows=("7",), events=("push",)), NOW)
            if each.kind == "duration"
        ]
    assert (round(of_pushes.before), round(of_pushes.after)) == (603, 903)
    assert of_pushes.first_run.id == 1_029


def test_the_period_before_is_counted_where_it_was_collected(filled: Engine) -> None:
    window = Window(NOW - timedelta(days=45), NOW)
    with session_scope(filled) as session:
        assert {each.runs_before for each in causes(session, ALL, window, NOW).items} == {None}
        sync_state(session, 1).complete_since = sync_state(session, 2).complete_since = NOW - timedelta(days=200)
    with session_scope(filled) as session:
        before = {each.fingerprint: each.runs_before for each in causes(session, ALL, window, NOW).items}
        assert before == {CAUSE: 1, OTHER_CAUSE: 0}
        month = {each.fingerprint: each.runs_before for each in causes(session, ALL, MONTH, NOW).items}
        fortnight = Window(NOW - timedelta(days=14), NOW)
        weeks = {each.fingerprint: each.runs_before for each in causes(session, ALL, fortnight, NOW).items}
    # 30 days are compared with those that begin 35 days earlier: the run of 60 days ago is among them.
    assert month[CAUSE] == 1
    assert weeks[CAUSE] == 0


def test_runs_that_died_long_ago_hide_none_that_stand_still_now(engine: Engine) -> None:
    add_repository(engine)
    dead = [run(number, minutes=-60 * 24 * 8, status="in_progress", conclusion=None) for number in range(1, 61)]
    again = run(90, minutes=-60 * 24 * 9, status="in_progress", conclusion=None, started_at=NOON - timedelta(hours=3))
    store_runs(engine, *dead, again, run(91, minutes=-120, status="in_progress", conclusion=None))
    with session_scope(engine) as session:
        found = attention(session, Scope(), NOON)
    assert {each.run_id for each in found} == {90, 91}
