"""Passes against the simulated GitHub: nothing lost, nothing twice, few requests."""

import json
import threading
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from collector import derived_data
from db.definitions.prices import EMPTY_PRICE_LIST
from db.definitions.scope import Scope
from db.engine import session_scope, write_scope
from db.models import Attempt, Backfill, Base, Job, JobLog, Repository, Run, SyncState, Target, Workflow
from db.repositories.repository_queries import list_repositories
from db.runs.rollup_invalidation import invalidate_repository
from health.completeness.service import read_completeness
from health.metrics.rollups.refresh import refresh_rollups
from tests.builders import NOON, WORKFLOW, add_repository, run, store_runs
from tests.builders import REPO as STORED
from tests.collector.conftest import REPO, Clock, GitHub
from tests.collector.syncing import fetch_logs, make_client, sync
from tests.simulator.app import create_app, running
from tests.simulator.world import acme_world


def once(engine: Engine, github: GitHub, *repos: str, **more: Any) -> Any:
    return sync(engine, github.url, repos or (REPO,), clock=github.clock, **more)


def stored(engine: Engine) -> dict[int, tuple[int, str, str | None]]:
    with Session(engine) as session:
        return {run.id: (run.attempt, run.status, run.conclusion) for run in session.scalars(select(Run))}


def rows(engine: Engine) -> dict[str, list[Any]]:
    """Everything stored about pipelines, to compare before and after."""
    with Session(engine) as session:
        return {
            model.__tablename__: sorted(
                [tuple(row) for row in session.execute(select(*model.__table__.columns))], key=repr
            )
            for model in (Repository, Workflow, Run, Attempt, Job, JobLog)
        }


def test_a_second_pass_changes_no_row_and_asks_one_question(engine: Engine, github: GitHub) -> None:
    for minutes in range(5):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(minutes=10 + minutes))
    assert once(engine, github).is_complete
    before = rows(engine)
    github.asked()
    assert once(engine, github).changed == 0
    assert rows(engine) == before
    assert github.asked() == [f"/repos/{REPO}/actions/runs"]


def test_the_demos_account_twice_changes_nothing_and_asks_one_question_a_repository(engine: Engine) -> None:
    clock = Clock()
    world = acme_world(start=clock(), days=8, clock=clock)
    app = create_app(world)
    with running(app) as url:
        assert sync(engine, url, ("acme/*",), clock=clock, backfill_days=5).is_complete
        fetch_logs(engine, url, clock=clock)
        before = rows(engine)
        app.state.requests.clear()
        outcome = sync(engine, url, ("acme/*",), clock=clock, backfill_days=5)
        fetch_logs(engine, url, clock=clock)
        asked = Counter(each.path.split("/")[3] for each in app.state.requests if each.path.startswith("/repos/"))
    assert outcome.is_complete
    assert rows(engine) == before
    assert set(asked.values()) == {1}
    assert len(asked) == 6


def test_what_the_simulator_shows_is_what_is_stored(engine: Engine) -> None:
    clock = Clock()
    world = acme_world(start=clock(), days=8, clock=clock)
    with running(create_app(world)) as url:
        assert sync(engine, url, ("acme/*",), clock=clock, backfill_days=5).is_complete
    since = clock() - timedelta(days=5)
    shown = {run.id: run.attempt_at(clock()) for run in world.runs.values() if since <= run.created <= clock()}
    found = {key: value for key, value in stored(engine).items() if key in shown}
    assert len(shown) > 100
    assert set(shown) == set(found)
    for run_id, attempt in shown.items():
        status = attempt.status(clock())
        assert found[run_id] == (attempt.number, status, attempt.conclusion if status == "completed" else None)
    with Session(engine) as session:
        jobs = {job.id: job for job in session.scalars(select(Job).where(Job.run_id.in_(list(shown))))}
    expected = {
        job.id for run_id in shown for attempt in world.runs[run_id].attempts if attempt.started <= clock()
        for job in attempt.jobs if job.created <= clock()
    }  # fmt: skip
    assert set(jobs) == expected
    assert {job.id for job in jobs.values() if job.phantom} == {
        job.id for run_id in shown for attempt in world.runs[run_id].attempts for job in attempt.jobs
        if job.phantom and job.id in jobs
    }  # fmt: skip


def test_a_running_run_is_followed_to_its_end_even_off_the_first_page(engine: Engine, github: GitHub) -> None:
    slow = github.world.add_run(REPO, "CI", conclusion=None)
    once(engine, github)
    for number in range(130):
        github.world.add_run(REPO, "CI", created_at=github.clock() + timedelta(seconds=number))
    github.clock.forward(hours=1)
    once(engine, github)
    github.world.finish(slow, "failure")
    github.clock.forward(minutes=10)
    once(engine, github)
    assert stored(engine)[slow] == (1, "completed", "failure")
    assert len(stored(engine)) == 131


def test_a_run_deleted_while_it_ran_is_over(engine: Engine, github: GitHub) -> None:
    gone = github.world.add_run(REPO, "CI", conclusion=None)
    once(engine, github)
    github.world.delete_run(gone)
    github.clock.forward(minutes=5)
    assert once(engine, github).is_complete
    assert stored(engine)[gone] == (1, "completed", None)


def test_a_rerun_of_yesterday_is_seen_within_the_hour(engine: Engine, github: GitHub) -> None:
    old = github.world.add_run(REPO, "CI", conclusion="failure", jobs=3, created_at=github.clock() - timedelta(days=1))
    for number in range(150):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(minutes=number))
    once(engine, github)
    github.world.rerun(old)
    github.clock.forward(hours=1, minutes=5)
    once(engine, github)
    with Session(engine) as session:
        run = session.scalars(select(Run).where(Run.id == old)).one()
        attempts = session.execute(select(Attempt.attempt, Attempt.conclusion).where(Attempt.run_id == old)).all()
        copies = session.scalars(select(Job.copied).where(Job.run_id == old, Job.attempt == 2)).all()
    assert (run.attempt, run.conclusion, run.flaky) == (2, "success", True)
    assert sorted(tuple(row) for row in attempts) == [(1, "failure"), (2, "success")]
    assert sorted(copies) == [False, True, True]


def test_an_attempt_between_two_looks_is_fetched_as_well(engine: Engine, github: GitHub) -> None:
    run = github.world.add_run(REPO, "CI", conclusion="failure")
    github.clock.forward(minutes=5)
    github.world.rerun(run, conclusion="failure")
    github.clock.forward(minutes=5)
    github.world.rerun(run, conclusion="success")
    github.clock.forward(minutes=5)
    once(engine, github)
    with Session(engine) as session:
        found = session.execute(select(Attempt.attempt, Attempt.conclusion).order_by(Attempt.attempt)).all()
    assert [tuple(row) for row in found] == [(1, "failure"), (2, "failure"), (3, "success")]


def test_an_interrupted_first_pass_is_complete_as_far_as_it_came_and_goes_on_from_there(
    engine: Engine, github: GitHub
) -> None:
    for number in reversed(range(350)):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(minutes=number))
    stop = threading.Event()
    client = make_client(github.url, github.clock)
    plain_get = client.get

    def stopping_get(path: str, **more: Any) -> Any:
        if "page=2" in path:
            stop.set()
        return plain_get(path, **more)

    client.get = stopping_get  # type: ignore[method-assign]
    assert once(engine, github, client=client, stop=stop).stopped
    assert 0 < len(stored(engine)) < 350
    with Session(engine) as session:
        oldest = session.scalars(select(Run.created_at).order_by(Run.created_at)).first()
        assert session.scalars(select(SyncState.complete_since)).one() == oldest
    for number in range(120):
        github.world.add_run(REPO, "CI", created_at=github.clock() + timedelta(seconds=number))
    github.clock.forward(minutes=10)
    assert once(engine, github).is_complete
    assert len(stored(engine)) == 470
    with Session(engine) as session:
        state = session.scalars(select(SyncState)).one()
        assert state.complete_since is not None
        assert state.complete_since <= github.clock() - timedelta(days=29)
        assert session.scalars(select(Backfill.phase)).all() == ["verifying"]


def test_an_interrupted_tail_leaves_no_hole_either(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    once(engine, github)
    for number in range(450):
        github.world.add_run(REPO, "CI", created_at=github.clock() + timedelta(seconds=number))
    github.clock.forward(minutes=20)
    github.world.faults.add(r"repositories/.*/actions/runs$", status=502, times=99)
    assert not once(engine, github).is_complete
    github.world.faults.clear()
    for number in range(150):
        github.world.add_run(REPO, "CI", created_at=github.clock() + timedelta(seconds=number))
    github.clock.forward(minutes=20)
    assert once(engine, github).is_complete
    assert len(stored(engine)) == 601


def test_a_page_that_answers_5xx_is_asked_for_in_smaller_ones(engine: Engine, github: GitHub) -> None:
    run = github.world.add_run(REPO, "CI", jobs=70, created_at=github.clock() - timedelta(hours=1))
    github.world.faults.add(rf"runs/{run}/jobs", status=502, times=4)
    assert once(engine, github).is_complete
    with Session(engine) as session:
        assert len(session.scalars(select(Job.id)).all()) == 70


def test_a_renamed_repository_goes_on_under_its_id(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    once(engine, github)
    github.world.rename(REPO, "acme/site")
    github.world.add_run("acme/site", "CI")
    for _ in range(2):
        github.clock.forward(minutes=5)
        assert once(engine, github).is_complete
    with session_scope(engine) as session:
        assert [row.repo for row in list_repositories(session)] == ["acme/site"]
    assert len(stored(engine)) == 2


def test_one_repository_that_fails_does_not_stop_the_others(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    outcome = once(engine, github, "acme/unknown", REPO)
    assert "acme/unknown" in outcome.failures
    assert "404" in outcome.failures["acme/unknown"]
    assert len(stored(engine)) == 1
    with session_scope(engine) as session:
        assert [gap.repo for gap in read_completeness(session, Scope()).gaps] == ["acme/unknown"]


def test_all_repositories_are_known_before_the_first_run_is_read(engine: Engine, github: GitHub) -> None:
    """So that "12 of 200 are catching up" counts all 200 from the start."""
    names = [f"acme/service-{number}" for number in range(12)]
    for name in names:
        github.world.add_repository(name)
    github.asked()
    once(engine, github, *names, "acme/missing")
    first = github.asked()[:13]
    assert sorted(first) == sorted(f"/repos/{name}" for name in [*names, "acme/missing"])
    once(engine, github, *names)
    assert not {f"/repos/{name}" for name in names} & set(github.asked())


def test_a_bad_token_is_said_once_and_loses_nothing(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    once(engine, github)
    github.asked()
    bad = make_client(github.url, github.clock, "bad")
    others = [f"acme/number-{number}" for number in range(30)]
    outcome = once(engine, github, REPO, *others, client=bad)
    assert set(outcome.failures.values()) == {"GitHub refused the token (401 Bad credentials); check GITHUB_TOKEN"}
    assert len(github.asked()) <= 8
    assert len(stored(engine)) == 1
    assert once(engine, github).is_complete
    with Session(engine) as session:
        assert session.scalars(select(SyncState.error)).all() == [None]
        assert session.scalars(select(Target.error)).all() == [None]


def test_no_network_is_one_line_that_names_the_host(engine: Engine, clock: Clock) -> None:
    outcome = sync(engine, "http://127.0.0.1:9", (REPO,), clock=clock)
    assert outcome.failures[REPO].startswith("cannot reach http://127.0.0.1:9: ")
    assert "\n" not in outcome.failures[REPO]


def test_a_used_up_rate_limit_is_waited_for_not_fought(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    github.app.state.budget.used = github.app.state.budget.limit
    outcome = once(engine, github)
    assert outcome.rate_limited
    assert outcome.rate_limited.until > github.clock()
    assert len(github.asked()) <= 2


def test_a_wildcard_takes_all_but_the_left_out(engine: Engine, github: GitHub) -> None:
    github.world.add_repository("acme/api")
    github.world.add_repository("acme/secret")
    assert once(engine, github, "acme/*", "!acme/secret").is_complete
    with session_scope(engine) as session:
        assert [row.repo for row in list_repositories(session)] == ["acme/api", REPO]


def test_a_repository_taken_off_the_list_is_kept_but_not_monitored(engine: Engine, github: GitHub) -> None:
    github.world.add_repository("acme/api")
    once(engine, github, REPO, "acme/api")
    once(engine, github, REPO)
    with session_scope(engine) as session:
        assert [row.repo for row in list_repositories(session)] == [REPO]
        assert len(list_repositories(session, monitored_only=False)) == 2


def test_other_repositories_than_before_show_no_longer_even_if_the_new_ones_fail(
    engine: Engine, github: GitHub
) -> None:
    once(engine, github, "acme/*")
    assert not once(engine, github, "other/name", "other/*").is_complete
    with session_scope(engine) as session:
        assert list_repositories(session) == []


def test_a_repository_that_cannot_be_read_for_a_while_stays(engine: Engine, github: GitHub) -> None:
    once(engine, github, "acme/*")
    bad = make_client(github.url, github.clock, "bad")
    assert not once(engine, github, "acme/*", client=bad).is_complete
    assert not once(engine, github, REPO, client=bad).is_complete
    with session_scope(engine) as session:
        assert [row.repo for row in list_repositories(session)] == [REPO]


@pytest.mark.parametrize(
    ("body", "told"),
    [("<html>proxy</html>", "JSON"), ("{}", "workflow_runs"), ("[1]", "workflow_runs"), ("null", "workflow_runs")],
)
def test_an_answer_that_is_no_list_of_runs_is_an_error_in_one_line(
    engine: Engine, github: GitHub, body: str, told: str
) -> None:
    github.world.faults.add("actions/runs$", status=200, body=body, times=9)
    outcome = once(engine, github)
    assert told in outcome.failures[REPO]
    assert "\n" not in outcome.failures[REPO]


def test_an_unreadable_run_is_a_gap_and_the_others_are_stored(engine: Engine, github: GitHub) -> None:
    good = github.world.add_run(REPO, "CI")
    client = make_client(github.url, github.clock)
    answer = client.get(f"/repos/{REPO}/actions/runs").data
    broken = {**answer["workflow_runs"][0], "id": "not a number"}
    body = json.dumps({"total_count": 2, "workflow_runs": [broken, answer["workflow_runs"][0]]})
    github.world.faults.add("actions/runs$", status=200, body=body)
    assert once(engine, github).is_complete
    assert set(stored(engine)) == {good}
    with session_scope(engine) as session:
        gaps = read_completeness(session, Scope()).gaps
    assert [(gap.kind, "id" in gap.detail) for gap in gaps] == [("unreadable", True)]


def test_text_that_no_database_takes_is_stored_with_a_mark(engine: Engine, github: GitHub) -> None:
    github.world.add_run(REPO, "CI")
    answer = make_client(github.url, github.clock).get(f"/repos/{REPO}/actions/runs").data
    answer["workflow_runs"][0]["display_title"] = "nul \x00 and half a pair \ud83d here"
    github.world.faults.add("actions/runs$", status=200, body=json.dumps(answer))
    assert once(engine, github).is_complete
    with Session(engine) as session:
        assert session.scalars(select(Run.title)).one() == "nul \ufffd and half a pair \ufffd here"


def test_the_tables_of_the_models_are_all_there(engine: Engine) -> None:
    assert set(Base.metadata.tables) >= {"runs", "attempts", "jobs", "job_logs", "sync_states", "targets"}


def test_the_indexing_of_logs_ends_when_the_program_stops(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    context: Any = SimpleNamespace(engine=engine, clock=lambda: NOON, stop=threading.Event(), progress=MagicMock())
    calls = []

    def index_logs(engine: Engine, *, seconds: float) -> int:
        calls.append(seconds)
        if len(calls) == 2:
            context.stop.set()
        return 1

    monkeypatch.setattr(derived_data, "index_logs", index_logs)
    derived_data.DerivedData(context, EMPTY_PRICE_LIST).refresh_all()
    assert len(calls) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_rules_that_cannot_be_applied_do_not_stop_other_data(engine: Engine) -> None:
    context: Any = SimpleNamespace(engine=engine, clock=lambda: NOON, stop=threading.Event(), progress=MagicMock())
    add_repository(engine, STORED, WORKFLOW)
    store_runs(engine, run(1))
    with write_scope(engine) as session:
        invalidate_repository(session, 1)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE cause_rules"))
    with pytest.raises(OperationalError):
        derived_data.DerivedData(context, EMPTY_PRICE_LIST).refresh()
    assert sum(refresh_rollups(engine, NOON)) == 0
