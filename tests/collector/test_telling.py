"""When people are told: at once, but not before the cause is known or the patience for it is over."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.alert_worker import AlertWorker, FailureLogPrefetcher
from collector.claims import ClaimManager
from collector.context import CollectorContext
from collector.logs.collect import LogCollector
from collector.progress import Progress
from db.collection.claims import Assignment
from db.collection.heartbeat_detail import HeartbeatDetail
from db.collection.sync_state import bump_data_version
from db.engine import write_scope
from db.models import Alert, JobLog, Notification
from health.alerts.channels.base import Channel
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.channels.webhook import WebhookChannel
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.delivery import Dispatcher
from health.alerts.rules.rules import parse_threshold
from tests.chaos.slack import Hold, Slack, slack
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import make_client, sync
from tests.simulator.app import create_app, running

CAUSE = "Property 'currency' does not exist on type 'OrderLine'."
_PATIENCE_SECONDS = 20


@pytest.fixture
def channel() -> Iterator[Slack]:
    with slack() as made:
        yield made


@contextmanager
def service(
    engine: Engine, github: GitHub, channel: Slack, *, url: str | None = None, collect: str = "failed",
    patience: float = 15.0, collectors: int = 1, more: Mapping[str, Channel] | None = None,
) -> Iterator[AlertWorker]:  # fmt: skip
    stop, clock = threading.Event(), github.clock
    client = make_client(url or github.url, clock)
    context = CollectorContext(engine, client, Progress(engine, clock, HeartbeatDetail()), clock, stop)
    logs = LogCollector(context, collect=collect)
    claims = ClaimManager(engine, "me", clock)
    claims.assignment = Assignment(frozenset(), frozenset(), collectors, is_leader=True)
    channels = {**(more or {}), "slack": SlackWebhookChannel(channel.url)}
    telling = AlertWorker(
        engine,
        evaluator=Evaluator(engine, parse_threshold("3"), list(channels), "http://dash", clock),
        dispatcher=Dispatcher(engine, channels, clock),
        prefetcher=FailureLogPrefetcher(engine, client, logs, clock, timeout_seconds=patience),
        claims=claims,
        stop=stop,
        clock=clock,
        app_url="http://dash",
    )
    threads = [threading.Thread(target=work) for work in (telling.run_evaluator, telling.run_dispatchers)]
    for thread in threads:
        thread.start()
    try:
        yield telling
    finally:
        stop.set()
        telling.wake()
        for thread in threads:
            thread.join()


def fail_three_times(engine: Engine, github: GitHub, workflow: str = "CI") -> None:
    """Known with their jobs, but without logs."""
    for _ in range(3):
        github.world.add_run(REPO, workflow, conclusion="failure", jobs=["lint", "test"], cause="typescript")
        github.clock.forward(minutes=5)
    assert sync(engine, github.url, (REPO,), clock=github.clock).is_complete


def until(what: Callable[[], object]) -> None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def stored_logs(engine: Engine) -> int:
    with Session(engine) as session:
        return len(session.scalars(select(JobLog.job_id).where(JobLog.state == "stored")).all())


def test_the_message_waits_for_the_log_of_the_failed_job(engine: Engine, github: GitHub, channel: Slack) -> None:
    fail_three_times(engine, github)
    github.asked()
    with service(engine, github, channel) as telling:
        telling.request_evaluation()
        until(lambda: channel.taken)
    assert CAUSE in channel.taken[0].text
    # Only the latest run's, and of that only the job that failed.
    assert len([path for path in github.asked() if path.endswith("/logs")]) == 1


def test_it_waits_no_longer_than_that_and_the_log_is_stored_all_the_same(
    engine: Engine, github: GitHub, channel: Slack
) -> None:
    fail_three_times(engine, github)
    slow = create_app(github.world, tokens={"good"}, latency=2)
    with running(slow) as url, service(engine, github, channel, url=url, patience=0.1) as telling:
        telling.request_evaluation()
        until(lambda: channel.taken)
        assert CAUSE not in channel.taken[0].text
        assert stored_logs(engine) == 0
        until(lambda: stored_logs(engine))
    assert len(channel.taken) == 1


def test_without_logs_nobody_waits_for_them(engine: Engine, github: GitHub, channel: Slack) -> None:
    fail_three_times(engine, github)
    with service(engine, github, channel, collect="none") as telling:
        telling.request_evaluation()
        until(lambda: channel.taken)
    assert len(channel.taken) == 1
    assert stored_logs(engine) == 0


def test_a_github_that_answers_nothing_keeps_no_message(engine: Engine, github: GitHub, channel: Slack) -> None:
    fail_three_times(engine, github)
    github.world.faults.add(r"/logs", status=500, times=1000)
    with service(engine, github, channel, patience=0.2) as telling:
        telling.request_evaluation()
        until(lambda: channel.taken)
    assert len(channel.taken) == 1


def test_a_slow_channel_keeps_no_rule_from_being_looked_at(engine: Engine, github: GitHub, channel: Slack) -> None:
    github.world.add_workflow(REPO, "Deploy")
    with service(engine, github, channel, collect="none") as telling:
        channel.wait_until_holding(Hold.BEFORE_TAKING)
        fail_three_times(engine, github)
        telling.request_evaluation()
        assert channel.holding.wait(_PATIENCE_SECONDS)
        fail_three_times(engine, github, "Deploy")
        telling.request_evaluation()
        until(lambda: open_alerts(engine) == 2)
        assert channel.taken == []
        channel.let_go(lost=False)
        until(lambda: len(channel.taken) == 2)


def test_a_channel_that_hangs_keeps_nothing_from_the_others(engine: Engine, github: GitHub, channel: Slack) -> None:
    github.world.add_workflow(REPO, "Deploy")
    with slack() as hanging:
        hanging.wait_until_holding(Hold.BEFORE_TAKING)
        other = {"webhook": WebhookChannel(hanging.url)}
        with service(engine, github, channel, collect="none", more=other) as telling:
            fail_three_times(engine, github)
            telling.request_evaluation()
            assert hanging.holding.wait(_PATIENCE_SECONDS)
            until(lambda: len(channel.taken) == 1)
            assert "webhook" in being_sent(engine)
            fail_three_times(engine, github, "Deploy")
            telling.request_evaluation()
            until(lambda: len(channel.taken) == 2)
            hanging.let_go(lost=True)


def test_what_another_collector_stored_is_looked_at_by_who_leads(
    engine: Engine, github: GitHub, channel: Slack
) -> None:
    with service(engine, github, channel, collect="none", collectors=2):
        fail_three_times(engine, github)
        with write_scope(engine) as session:
            bump_data_version(session, github.clock())
        until(lambda: channel.taken)


def being_sent(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(Notification.channel).where(Notification.claimed_until.is_not(None))))


def open_alerts(engine: Engine) -> int:
    with Session(engine) as session:
        return len(session.scalars(select(Alert.id).where(Alert.state == "firing")).all())
