"""What a run's attempts say of it."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.definitions.attempts import AttemptState, failed_then_rerun, first_outcome, is_flaky, reruns
from db.models import Run
from tests.builders import add_repository, attempt, job, run, store_jobs, store_runs


def ends(*conclusions: str | None) -> list[AttemptState]:
    return [
        AttemptState(number, "completed" if conclusion else "in_progress", conclusion)
        for number, conclusion in enumerate(conclusions, 1)
    ]


@pytest.mark.parametrize(
    ("conclusions", "first", "again", "failed_first", "flaky"),
    [
        (("success",), None, 0, False, False),
        (("failure",), None, 0, False, False),
        (("failure", "success"), "failure", 1, True, True),
        (("timed_out", "failure", "success"), "failure", 2, True, True),
        (("failure", "failure"), "failure", 1, True, False),
        (("failure", None), "failure", 1, True, False),
        (("success", "failure"), "success", 1, False, False),
        (("cancelled", "success"), "cancelled", 1, False, False),
        # An approval of a pull request from a fork, alone and followed by a real re-run.
        (("action_required", "success"), "other", 0, False, False),
        (("action_required", "failure", "success"), "other", 1, True, True),
    ],
)
def test_what_attempts_say(
    conclusions: tuple[str, ...], first: str | None, again: int, failed_first: bool, flaky: bool
) -> None:
    states, latest = ends(*conclusions), len(conclusions)
    assert first_outcome(states, latest) == first
    assert reruns(states, latest) == again
    assert failed_then_rerun(states, latest) is failed_first
    assert is_flaky(states) is flaky


def test_attempts_that_are_not_known_are_reruns_without_a_first_outcome() -> None:
    only_third = [AttemptState(3, "completed", "success")]
    assert (first_outcome(only_third, 3), reruns(only_third, 3), failed_then_rerun(only_third, 3)) == (None, 2, False)
    # It was last seen while it ran, but a later one exists: it is over, and nobody knows how.
    assert first_outcome([AttemptState(1, "in_progress", None)], 2) is None


def test_a_run_carries_what_its_attempts_say(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, conclusion="failure"), run(2, conclusion="action_required"), run(3))
    store_runs(engine, run(1, attempt=2), run(2, attempt=2))
    for run_id, before in ((1, "failure"), (2, "action_required")):
        store_jobs(engine, run_id, job(run_id, attempt=2), attempts=(attempt(1, before),))
    store_jobs(engine, 3, job(3))
    with Session(engine) as session:
        rows = session.execute(select(Run.first_outcome, Run.reruns, Run.failed_then_rerun).order_by(Run.id)).all()
    assert [tuple(row) for row in rows] == [("failure", 1, True), ("other", 0, False), (None, 0, False)]
