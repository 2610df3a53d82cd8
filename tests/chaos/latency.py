"""From the webhook that tells of a third failure in a row to the message: real API, real collector, real HTTP."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from core.clock import utc_now
from db.models import InboxItem, Notification, Run
from demo.webhooks.events import deliveries
from tests.chaos.programs import api, start
from tests.chaos.slack import Slack, Taken, slack
from tests.simulator.app import create_app
from tests.simulator.app import running as serving
from tests.simulator.webhooks import send
from tests.simulator.world import EditableWorld

REPO, SECRET = "scale/web", "a secret of the webhook"
# The line that the runner's log of a failed job ends with, and people want to read.
CAUSE = "error TS2339: Property 'currency' does not exist on type 'OrderLine'."
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Trial:
    """Seconds: from the post to the message, and the steps between by the clock of the database's writers."""

    total: float
    stored: float
    applied: float
    told: float
    sent: float
    text: str


@dataclass
class Line:
    """Everything between GitHub and Slack."""

    engine: Engine
    world: EditableWorld
    slack: Slack
    url: str

    def fail(self, workflow: str) -> Trial:
        """The third failure in a row of this workflow, told as GitHub tells it."""
        since = utc_now()
        begun = since - timedelta(seconds=90)
        run_id = self.world.add_run(REPO, workflow, conclusion="failure", created_at=begun, duration=60, queue=5,
                                    jobs=["lint", "test"], cause="typescript")  # fmt: skip
        told = [each for each in deliveries(self.world) if each.run_id == run_id]
        before = [each for each in told if (each.event, each.action) != ("workflow_run", "completed")]
        send(before, self.url, SECRET, 200)
        last = [each for each in told if each not in before]
        count, posted, moment = len(self.slack.taken), time.monotonic(), utc_now()
        (answer,) = send(last, self.url, SECRET, 200)
        assert answer.status == 202, answer
        taken = self.message(workflow, count)
        return self._trial(taken, taken.at - posted, last[0].id, moment.timestamp())

    def message(self, workflow: str, count: int) -> Taken:
        ends = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < ends:
            for each in self.slack.taken[count:]:
                if f"{workflow} is failing on main" in each.text:
                    return each
            time.sleep(0.002)
        raise AssertionError(f"nobody was told of {workflow}")

    def _trial(self, taken: Taken, total: float, delivery_id: str, posted: float) -> Trial:
        time.sleep(0.05)
        with Session(self.engine) as session:
            item = session.get_one(InboxItem, delivery_id)
            row = session.scalars(select(Notification).where(Notification.alert_id == taken.alert)).one()
        assert item.applied_at
        steps = [item.received_at, item.applied_at, row.created_at]
        passed = [moment.timestamp() - posted for moment in steps]
        return Trial(total, *passed, total, taken.text)


def trials(line: Line, number: int) -> Iterator[Trial]:
    for place in range(number):
        yield line.fail(name(place))


def name(place: int) -> str:
    return f"Flow {place:03}"


@contextmanager
def line(engine: Engine, database_url: str, number: int, *, latency: float = 0.0) -> Iterator[Line]:
    """`number` workflows that failed twice; GitHub takes `latency` seconds an answer."""
    world = EditableWorld()
    world.add_repository(REPO)
    for place in range(number):
        world.add_workflow(REPO, name(place))
        for minutes in (30, 20):
            world.add_run(REPO, name(place), conclusion="failure", created_at=utc_now() - timedelta(minutes=minutes),
                          jobs=["lint", "test"], cause="typescript")  # fmt: skip
    with ExitStack() as stack:
        github = stack.enter_context(serving(create_app(world, tokens={"good"}, rate_limit=None, latency=latency)))
        channel = stack.enter_context(slack())
        address = stack.enter_context(api(DATABASE_URL=database_url, GITHUB_WEBHOOK_SECRET=SECRET))
        log = stack.enter_context(tempfile.TemporaryFile("w+"))
        collector = start("", database_url, github, log=log, SLACK_WEBHOOK_URL=channel.url, COLLECT_LOGS="failed",
                          POLL_INTERVAL_MINUTES="60")  # fmt: skip
        stack.callback(collector.communicate, timeout=30)
        stack.callback(collector.terminate)
        _wait_for_runs(engine, 2 * number)
        yield Line(engine, world, channel, f"{address}/api/webhooks/github")


def _wait_for_runs(engine: Engine, count: int) -> None:
    for _ in range(600):
        with Session(engine) as session:
            if len(session.scalars(select(Run.id).where(~Run.details_pending)).all()) == count:
                return
        time.sleep(0.1)
    raise AssertionError("the collector did not read what was there")
