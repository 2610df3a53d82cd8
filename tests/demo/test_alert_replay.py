"""The built-in alert rule over the demo's history: a planted breakage with enough runs is one alert, one recovery."""

from datetime import datetime, timedelta

from db.definitions.attempts import outcome_of
from demo.world.model import Run
from demo.world.scenario import Episode as Planted
from health.alerts.rules.history import BacktestEpisode, HistoricalRun, backtest_episodes
from health.alerts.rules.rules import built_in, parse_threshold
from tests.demo.conftest import MONDAY
from tests.simulator.world import EditableWorld

SINCE = MONDAY - timedelta(days=60)
THRESHOLD = 3


def past(run: Run) -> HistoricalRun:
    last = run.attempt_at(MONDAY)
    status = last.status(MONDAY)
    outcome = outcome_of(status, last.conclusion if status == "completed" else None)
    ended = last.ended.timestamp() if last.ended and status == "completed" else None
    return HistoricalRun(
        run.repository.id, run.workflow.id, run.branch, outcome, run.created.timestamp(), last.started.timestamp(),
        ended, None, None, False, run.id,
    )  # fmt: skip


def of_default_branches(world: EditableWorld) -> list[HistoricalRun]:
    return [past(run) for run in world.runs.values() if run.branch == "main" and not run.fork]


def in_a_row(runs: list[HistoricalRun], workflow_id: int, at: datetime) -> int:
    """Failures up to then, counted plainly."""
    known = [run for run in runs if run.workflow_id == workflow_id and (run.completed_at or 2e12) <= at.timestamp()]
    number = 0
    for run in sorted(known, key=lambda run: (run.created_at, run.id)):
        number = number + 1 if run.outcome == "failure" else 0 if run.outcome == "success" else number
    return number


def test_each_planted_breakage_is_one_alert_and_one_recovery(account: EditableWorld) -> None:
    runs = of_default_branches(account)
    names = {
        flow.id: (repo.name, flow.name) for repo in account.repositories.values() for flow in repo.workflows.values()
    }
    found = backtest_episodes(built_in(parse_threshold(str(THRESHOLD))), runs, SINCE.timestamp(), MONDAY.timestamp())

    def failed_in(planted: Planted) -> list[HistoricalRun]:
        return [
            run for run in runs
            if names[run.workflow_id] == (planted.repo, planted.workflow) and run.outcome == "failure"
            and planted.start.timestamp() <= run.created_at < planted.end.timestamp()
        ]  # fmt: skip

    planted = [each for each in account.episodes(60) if each.kind == "broken"]
    caught: list[BacktestEpisode] = []
    for each in planted:
        ours = [alert for alert in found if alert.run_id in {run.id for run in failed_in(each)}]
        assert len(ours) == (1 if len(failed_in(each)) >= THRESHOLD else 0), each
        assert all((alert.resolved_at is None) == (each.end > MONDAY) for alert in ours), each
        caught += ours
    assert len(caught) >= 4
    # What else opened is no noise: so many runs of one workflow did fail one after the other.
    for alert in found:
        if alert not in caught:
            assert in_a_row(runs, alert.key[1], datetime.fromtimestamp(alert.opened_at, MONDAY.tzinfo)) == THRESHOLD
    assert len(found) <= len(caught) + 4
