"""Runs that appear while the simulator is running, and the same runs after a restart."""

from datetime import timedelta
from pathlib import Path

import pytest

from demo.world.live import SLOT_SECONDS, StateFile
from demo.world.model import Run
from tests.demo.conftest import MONDAY, Clock, Serve
from tests.simulator.world import EditableWorld, acme_world


def live_runs(world: EditableWorld) -> dict[int, tuple[object, ...]]:
    names = {workflow.id for repo in world.repositories.values() for workflow in repo.workflows.values()
             if workflow.name == "CI"}  # fmt: skip
    return {run.id: facts(run) for run in world.runs.values() if run.created >= MONDAY and run.workflow.id in names
            and run.created <= world.clock()}  # fmt: skip


def facts(run: Run) -> tuple[object, ...]:
    return run.workflow.id, run.number, run.created, run.sha, run.attempts


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "demo.json"


def begin(path: Path, clock: Clock) -> tuple[StateFile, EditableWorld]:
    state = StateFile(path, clock)
    world = acme_world(start=state.start, spans=state.spans, days=2, clock=clock)
    save(state, world)
    return state, world


def save(state: StateFile, world: EditableWorld, *, final: bool = False) -> None:
    assert world.account
    state.save(world.account.span, final=final)


def watch(world: EditableWorld, clock: Clock, **span: float) -> None:
    clock.pass_(**span)
    world.advance()


def test_a_run_appears_every_few_seconds_at_any_hour(clock: Clock) -> None:
    clock.now = MONDAY.replace(hour=2)
    world = acme_world(start=clock.now, days=1, clock=clock)
    before = set(world.runs)
    watch(world, clock, minutes=15)
    assert 5 <= SLOT_SECONDS <= 10
    assert len(set(world.runs) - before) == pytest.approx(15 * 60 / SLOT_SECONDS, abs=2)


def test_live_runs_are_queued_then_in_progress_then_completed(clock: Clock) -> None:
    world = acme_world(start=MONDAY, days=1, clock=clock)
    seen: dict[int, list[str]] = {}
    for _ in range(300):
        watch(world, clock, seconds=2)
        for number in live_runs(world):
            states = seen.setdefault(number, [])
            status = world.runs[number].attempt_at(clock()).status(clock())
            states += [status] if status not in states else []
    assert sum(states == ["queued", "in_progress", "completed"] for states in seen.values()) >= 10


def test_a_new_run_is_on_the_first_page(clock: Clock, serve: Serve) -> None:
    site = serve(acme_world(start=MONDAY, days=1, clock=clock))
    path = "/repos/acme/web-app/actions/runs?per_page=1"
    before = site.json(path)
    clock.pass_(minutes=5)
    after = site.json(path)
    assert after["total_count"] > before["total_count"]
    assert after["workflow_runs"][0]["created_at"] > "2026-11-23T14:30:00Z"


def test_live_run_numbers_follow_those_of_the_history(clock: Clock) -> None:
    world = acme_world(start=MONDAY, days=2, clock=clock)
    watch(world, clock, hours=1)
    for repository in world.repositories.values():
        numbers = [run.number for run in world.newest(repository) if run.workflow.name == "CI"]
        assert numbers == list(range(numbers[0], numbers[0] - len(numbers), -1))


def test_some_live_runs_fail_and_some_are_run_again(clock: Clock) -> None:
    world = acme_world(start=MONDAY, days=1, clock=clock)
    watch(world, clock, hours=2)
    runs = [run for run in world.runs.values() if run.created >= MONDAY and run.workflow.name == "CI"]
    failed = [run for run in runs if run.attempts[0].conclusion == "failure"]
    assert 0.05 < len(failed) / len(runs) < 0.5
    assert any(len(run.attempts) > 1 for run in runs)


def test_a_restart_keeps_the_runs_and_adds_none_for_the_time_between(state_path: Path, clock: Clock) -> None:
    first, world = begin(state_path, clock)
    watch(world, clock, minutes=20)
    save(first, world, final=True)
    shown = live_runs(world)
    clock.pass_(hours=5)
    _, again = begin(state_path, clock)
    after = live_runs(again)
    assert {number: after.get(number) for number in shown} == shown
    assert len(after) - len(shown) <= 2


def test_a_killed_simulator_keeps_the_runs_that_it_showed(state_path: Path, clock: Clock) -> None:
    state, world = begin(state_path, clock)
    watch(world, clock, minutes=5)
    save(state, world)
    watch(world, clock, seconds=40)
    shown = live_runs(world)
    _, again = begin(state_path, clock)
    after = live_runs(again)
    assert {number: after.get(number) for number in shown} == shown
    watch(again, clock, minutes=5)
    assert {number: live_runs(again)[number] for number in shown} == shown


def test_numbers_are_consecutive_after_restarts(state_path: Path, clock: Clock) -> None:
    for _ in range(3):
        state, world = begin(state_path, clock)
        watch(world, clock, minutes=7)
        save(state, world, final=True)
        clock.pass_(hours=2)
    for repository in world.repositories.values():
        numbers = sorted(run.number for run in world.newest(repository) if run.workflow.name == "CI")
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_an_invalid_state_file_starts_a_new_account(state_path: Path, clock: Clock) -> None:
    state_path.parent.mkdir()
    state_path.write_text('{"version": 2, "start": ', encoding="utf-8")
    assert StateFile(state_path, clock).start == MONDAY
    state_path.write_text('{"anchor": "2026-01-01T00:00:00+00:00", "spans": []}', encoding="utf-8")
    assert StateFile(state_path, clock).start == MONDAY


def test_the_number_of_live_runs_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = timedelta(hours=1)
    monkeypatch.setattr("demo.world.account.LIVE_RETENTION", kept)
    world = acme_world(start=MONDAY, days=1, clock=clock)
    most = kept.total_seconds() / SLOT_SECONDS
    for _ in range(4):
        watch(world, clock, hours=1)
    live = [run for run in world.runs.values() if run.created >= MONDAY and run.workflow.name == "CI"]
    assert most * 0.9 < len(live) <= most + 2
    assert all(world.job(job.id) for run in live[:5] for job in run.attempts[0].jobs)
    assert min(run.created for run in live) >= clock() - kept - timedelta(minutes=1)
