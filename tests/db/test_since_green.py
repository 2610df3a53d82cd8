"""What changed since the last success: the commit that broke the branch is always among it, on both databases."""

import pytest
from sqlalchemy import Engine

from app.components.compare import named_commits
from db.engine import session_scope
from db.runs.run_queries import get_run
from health.metrics.workflows import ChangesSinceGreen, changes_since_success
from tests.builders import add_repository, run, store_runs


def changes(engine: Engine, run_id: int) -> ChangesSinceGreen:
    with session_scope(engine) as session:
        found = get_run(session, run_id)
        assert found is not None
        return changes_since_success(session, found)


@pytest.mark.parametrize("failures", [1, 13, 70, 600])
def test_the_first_bad_commit_is_named_and_never_cut(engine: Engine, failures: int) -> None:
    add_repository(engine)
    bad = [run(k + 1, minutes=k, conclusion="failure") for k in range(1, failures + 1)]
    store_runs(engine, run(1, minutes=0), *bad)
    found = changes(engine, failures + 1)
    assert found.last_success is not None
    assert found.first_failure is not None
    assert (found.last_success.id, found.first_failure.id) == (1, 2)
    assert found.commits[-1].sha == f"{2:040x}"
    assert len(found.commits) == min(failures, 51)
    assert found.has_more_commits == (failures > 50)
    shown = named_commits(found.commits, found.first_failure.head_sha)
    assert (shown[0].sha, shown[-1].sha) == (f"{failures + 1:040x}", f"{2:040x}")
    assert len({each.sha for each in shown}) == len(shown) <= 13


def test_the_first_failure_is_of_the_workflow_and_branch(engine: Engine) -> None:
    """Another workflow failed before, a branch too, and a run was cancelled."""
    add_repository(engine)
    store_runs(
        engine, run(1, minutes=0), run(2, minutes=1, workflow_id=6, conclusion="failure"),
        run(3, minutes=2, branch="feature", conclusion="failure"), run(4, minutes=3, conclusion="cancelled"),
        run(5, minutes=4, conclusion="timed_out"), run(6, minutes=5, conclusion="failure"),
    )  # fmt: skip
    found = changes(engine, 6)
    assert found.first_failure is not None
    assert found.first_failure.id == 5
    passed = changes(engine, 1)
    assert (passed.last_success, passed.first_failure) == (None, None)


def test_a_failure_of_the_commit_that_had_passed_is_still_the_first(engine: Engine) -> None:
    add_repository(engine)
    same = {"head_sha": "a" * 40, "event": "schedule"}
    store_runs(engine, run(1, minutes=0, **same), run(2, minutes=9, conclusion="failure", **same))
    found = changes(engine, 2)
    assert found.first_failure is not None
    assert (found.first_failure.id, found.commits) == (2, [])
