"""The demo's 60 days, lived through once more: each planted breakage is told once and its end once, noise is not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.models import Alert
from demo.world.scenario import Episode
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.evaluation import Evaluator
from health.alerts.measurement.backtest import backtest
from health.alerts.notifications.delivery import Dispatcher
from health.alerts.rules.rules import built_in, parse_threshold
from tests.api.conftest import MakeClient, TestClient, make_client
from tests.chaos.account import FULL
from tests.chaos.past import FAILED, Happening, Told, add_repositories, happenings, plainly, store
from tests.demo.conftest import MONDAY
from tests.receivers import Received, slack_stand_in
from tests.simulator.world import EditableWorld, acme_world

__all__ = ["make_client"]
DAYS = 60 if FULL else 8
# In the small version, the workflows of a breakage that is over and of one that goes on.
WORKFLOWS = None if FULL else (("payments", "CI"), ("web-app", "CI"))
DATABASES = ("sqlite", "postgresql")
CASES = (
    [(database, *case) for database in DATABASES for case in ((3, True), (3, False), (2, True), (1, True))]
    if FULL
    else [("postgresql", 3, True), ("sqlite", 1, True)]
)
SINCE = MONDAY - timedelta(days=DAYS)


@dataclass
class Clock:
    now: datetime = SINCE

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def world() -> EditableWorld:
    return acme_world(start=MONDAY, clock=lambda: MONDAY)


@pytest.fixture
def slack() -> Iterator[Received]:
    with slack_stand_in() as received:
        yield received


def history(world: EditableWorld, *, reruns: bool) -> list[Happening]:
    runs = [
        run for run in world.runs.values()
        if run.created >= SINCE and (not WORKFLOWS or (run.repository.name, run.workflow.name) in WORKFLOWS)
    ]  # fmt: skip
    return happenings(runs, MONDAY, reruns=reruns)


def live_through(engine: Engine, listed: list[Happening], threshold: int, slack: Received) -> None:
    """Rules and delivery after every run on main."""
    clock = Clock()
    evaluator = Evaluator(engine, parse_threshold(str(threshold)), ["slack"], "http://dash", clock)
    deliverer = Dispatcher(engine, {"slack": SlackWebhookChannel(slack.url)}, clock)
    waiting: list[Happening] = []
    for each in listed:
        waiting.append(each)
        if each.on_main:
            clock.now = max(clock.now, each.moment)
            store(engine, waiting)
            waiting.clear()
            evaluator.run()
            deliverer.run()


def alerts(engine: Engine) -> list[Told]:
    with Session(engine) as session:
        rows = session.query(Alert).order_by(Alert.opened_at, Alert.workflow_id)
        return [Told(each.opened_at, each.workflow_id or 0, each.resolved_at) for each in rows]


def failed_in(planted: Episode, listed: list[Happening]) -> list[Happening]:
    return [
        each for each in listed
        if each.on_main and each.over and each.attempt.conclusion in FAILED
        and planted.applies(each.run.repository.name, each.run.workflow.name, each.run.created)
    ]  # fmt: skip


@pytest.mark.parametrize(("database_url", "threshold", "reruns"), CASES, indirect=["database_url"])
def test_every_breakage_is_told_once_and_its_end_once_and_noise_is_not_told(
    engine: Engine, world: EditableWorld, slack: Received, make_client: MakeClient, threshold: int, reruns: bool
) -> None:
    listed = history(world, reruns=reruns)
    add_repositories(engine, world)
    live_through(engine, listed, threshold, slack)
    expected, found = plainly(listed, threshold), alerts(engine)
    assert found == expected
    planted = told_of_breakages(world, listed, threshold, found)
    assert len(planted) >= (4 if FULL else 2)
    # Each message arrived, and no other.
    news = Counter("recovered" if "has recovered" in slack.text(n) else "broken" for n in range(len(slack.bodies)))
    assert news == Counter(broken=len(expected), recovered=sum(each.closed is not None for each in expected))
    by_last = plainly(history(world, reruns=False), threshold)
    assert replayed(engine, threshold) == by_last
    lately = [each for each in by_last if each.closed is None or each.closed > MONDAY - timedelta(days=30)]
    assert replayed_by_the_api(make_client(now=MONDAY), world, threshold) == lately
    if not reruns:
        assert by_last == found
    noise = sum(each.over and each.on_main and each.attempt.conclusion not in (*FAILED, "success") for each in listed)
    print(f"{threshold} in a row, {len(listed)} ends and beginnings of attempts, {noise} of them undecided ends on "
          f"main: {len(planted)} planted breakages that enough runs saw, {len(found)} alerts, "
          f"{len(slack.bodies)} messages, "
          f"{len(set(found) - set(by_last))} of the alerts not in the replay, for what re-runs changed")  # fmt: skip


def told_of_breakages(world: EditableWorld, listed: list[Happening], threshold: int, found: list[Told]) -> list[Told]:
    """The alerts of the planted breakages that had enough failed runs: one each, over when the breakage is."""
    told = []
    for planted in world.episodes(DAYS):
        failed = failed_in(planted, listed)
        if planted.kind != "broken" or len({each.run.id for each in failed}) < threshold:
            continue
        holding = [each for each in found if each.workflow_id == failed[0].run.workflow.id and holds(each, failed)]
        assert len(holding) == 1, planted
        assert (holding[0].closed is None) == (planted.end > MONDAY), planted
        told += holding
    return told


def holds(told: Told, failed: list[Happening]) -> bool:
    """Was it open at one of these ends? It may have opened before: a run can fail by itself just before a breakage."""
    return any(told.opened <= each.second and (not told.closed or told.closed > each.second) for each in failed)


def replayed(engine: Engine, threshold: int) -> list[Told]:
    rule = built_in(parse_threshold(str(threshold)))
    with Session(engine) as session:
        found = backtest(session, rule, MONDAY, span=timedelta(days=DAYS))
    assert found.note is None
    return sorted(Told(each.opened_at, each.target.workflow_id or 0, each.resolved_at) for each in found.items)


def replayed_by_the_api(client: TestClient, world: EditableWorld, threshold: int) -> list[Told]:
    """Of the last 30 days."""
    asked = {"name": "row", "kind": "consecutive_failures", "open_at": threshold}
    items = client.post("/api/alerts/rules/replay", json=asked).json()["items"]
    flows = {
        (repo.full_name, flow.name): flow.id for repo in world.repositories.values() for flow in repo.workflows.values()
    }
    return sorted(
        Told(moment(each["opened_at"]), flows[each["repo"], each["workflow"]], moment(each["resolved_at"]))
        for each in items
    )


def moment(written: str | None) -> Any:
    return datetime.fromisoformat(written) if written else None
