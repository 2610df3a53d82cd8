"""What people read: every kind of alert, on every channel, with names that mean harm."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine

from db.engine import write_scope
from db.enums import RuleKind, RuleScope
from health.alerts.channels.base import Message
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel
from health.alerts.rules.targets import Patterns
from health.insights.causes.triage import Triage, set_triage
from tests.builders import ACTOR, NOON, attempt, job, run, store_jobs, store_runs
from tests.collector.conftest import Clock
from tests.collector.station import Station
from tests.notify.servers import Mail, mail_server
from tests.notify.web import TOKEN, Hook, SlackApi, hook, slack_api

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOUR = 3600.0


class Room:
    """All three channels, and what stands there."""

    def __init__(self, engine: Engine, clock: Clock, slack: SlackApi, receiver: Hook, mail: Mail) -> None:
        self.slack, self.receiver, self.mail, self.engine, self.clock = slack, receiver, mail, engine, clock
        self.station = Station(
            engine, clock,
            {
                "slack": SlackBotChannel(TOKEN, slack.channel, slack.url),
                "email": EmailChannel(f"smtp://127.0.0.1:{mail.port}", "health@example.com", ("ann@example.com",)),
                "webhook": WebhookChannel(receiver.url),
            },
            threshold="999",
        )  # fmt: skip

    def read(self) -> dict[str, str]:
        """The last message: field to value, as the mail shows it."""
        lines = self.mail.messages[-1].get_body(("plain",)).get_content().splitlines()  # type: ignore[union-attr]
        pairs = (line.partition(":") for line in lines[2:])
        return {label: value.strip() for label, _, value in pairs if label}

    def same_everywhere(self) -> dict[str, str]:
        """What the mail says stands in Slack, in the HTML, and in the body of the webhook."""
        assert self.station.run() == 3
        found = self.read()
        slack = self.slack.read()[-1]
        for label, value in found.items():
            wanted = (label, value) if label not in LINKS else (f"{value.replace('&', '&amp;')}|{label}",)
            assert all(each in slack for each in wanted), (label, slack)
        assert self.receiver.bodies[-1]["text"].splitlines() == self.plain(self.mail.messages[-1]).splitlines()
        return found

    @staticmethod
    def html(mail: EmailMessage) -> str:
        return str(mail.get_body(("html",)).get_content())  # type: ignore[union-attr]

    @staticmethod
    def plain(mail: EmailMessage) -> str:
        return str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]


LINKS = ("Open the run", "GitHub", "Alert", "Dashboard")


@pytest.fixture
def room(engine: Engine, clock: Clock) -> Iterator[Room]:
    with ExitStack() as stack:
        servers = [stack.enter_context(each()) for each in (slack_api, hook, mail_server)]
        clock.forward(hours=1)
        yield Room(engine, clock, *servers)  # type: ignore[arg-type]


def test_a_broken_branch(room: Room) -> None:
    room.station.rule(RuleKind.CONSECUTIVE_FAILURES, 3)
    room.station.breaks(
        0,
        "E   assert 3 == 4",
        title="Change all",
        actor="bob",
        commit_author="Carol Chen",
        commit_message="Change all\n\nAnd more.",
    )
    assert room.same_everywhere() == {
        "Failing since": "2026-11-18 12:59:58 UTC (for 2.0s)",
        "In a row": "3 failed runs in a row",
        "First bad commit": "0000000 by Carol Chen: Change all",
        "Error of run 3": "E   assert 3 == 4",
        "Rule": "mine: failed runs in a row ≥ 3",
        "Occurrences": "first in 30 days",
        "Success rate, 30 days": "0.0%",
        "Median duration, 30 days": "–",
        "Median recovery, 30 days": "–",
        "Open the run": "http://dash:8501/run?run_id=3",
        "GitHub": "https://github.com/acme/web/actions/runs/3",
        "Alert": "http://dash:8501/alerts?alert=1",
        "Dashboard": "http://dash:8501/?repo=acme%2Fweb",
    }
    body = room.receiver.bodies[-1]
    assert (body["event"], body["severity"], body["rule"]["kind"]) == ("firing", "warning", "consecutive_failures")
    alert = body["alert"]
    assert (alert["id"], alert["repo"], alert["workflow"], alert["branch"]) == (1, "acme/web", "W0", "main")
    assert alert["since"] == "2026-11-18T12:59:58Z"
    assert alert["first_bad_commit"]["sha"] == f"{1:040x}"
    assert (alert["first_bad_commit"]["author"], alert["first_bad_commit"]["title"]) == ("Carol Chen", "Change all")
    assert (alert["first_bad_commit"]["started_by"], alert["first_bad_commit"]["rerun_by"]) == ("bob", None)
    assert alert["error_line"] == "E   assert 3 == 4"
    assert alert["figures_30_days"]["success_rate"] == 0
    assert alert["url"] == "http://dash:8501/alerts?alert=1"


def test_a_known_cause(room: Room) -> None:
    """The mark is beside the error, with the ticket, the owner and the end; people wrote all of it."""
    room.station.rule(RuleKind.CONSECUTIVE_FAILURES, 3)
    room.station.breaks(0, "E   assert 3 == 4")
    until = room.clock() + timedelta(days=2)
    mark = Triage("https://x.example/browse/OPS-1?a=1&b=2", "<b>ann</b> & *co*", "moved\n<!channel>", until)
    with write_scope(room.engine) as session:
        assert set_triage(session, "f3", mark, room.clock(), by="ann", actor=ACTOR) == "f3"
    assert room.station.run() == 3
    assert room.read()["Cause"] == (
        "known: https://x.example/browse/OPS-1?a=1&b=2 (<b>ann</b> & *co*), until 2026-11-20 13:00:00 UTC: "
        "moved <!channel>"
    )
    labels = list(room.read())
    assert labels[labels.index("Error of run 3") + 1] == "Cause"
    rich = room.html(room.mail.messages[-1])
    assert "&lt;b&gt;ann&lt;/b&gt; &amp; *co*" in rich
    (posted,) = room.slack.messages.values()
    for block in posted["blocks"]:
        for part in [block["text"]] if "text" in block else block.get("fields") or block["elements"]:
            assert part["type"] == "plain_text" or not any(word in part["text"] for word in ("<!", "<b", "*co*"))
    assert room.receiver.bodies[-1]["alert"]["known"] == {
        "ticket": "https://x.example/browse/OPS-1?a=1&b=2", "owner": "<b>ann</b> & *co*",
        "comment": "moved\n<!channel>", "until": "2026-11-20T13:00:00Z",
    }  # fmt: skip


def test_its_end_and_the_next_time(room: Room) -> None:
    room.station.rule(RuleKind.CONSECUTIVE_FAILURES, 3)
    room.station.breaks(0)
    room.station.run()
    room.clock.forward(minutes=42)
    room.station.mends(0, title="Mend", actor="ann")
    room.station.run()
    said = room.read()
    assert said["Was failing for"] == "42m 02s"
    assert said["Fixed by"] == "0000000 (run started by ann): Mend"
    body = room.receiver.bodies[-1]
    assert (body["event"], body["alert"]["fixed_by"]["started_by"]) == ("resolved", "ann")
    assert body["alert"]["fixed_by"]["author"] is None
    assert body["alert"]["resolved_at"] == "2026-11-18T13:42:00Z"
    room.clock.forward(hours=1)
    room.station.breaks(0)
    room.station.run()
    assert room.read()["Occurrences"] == "2 in 30 days"


def test_names_that_mean_harm(room: Room) -> None:
    evil = "<!channel> <b>x</b> *y*"
    room.station.rule(RuleKind.CONSECUTIVE_FAILURES, 3, scope=Patterns(branches=("*",)))
    room.station.breaks(
        0, "<@U1> <img src=x onerror=alert(1)>", branch=evil, title=f"{evil}\r\nBcc: eve@evil.test", actor="<!here>"
    )
    assert room.station.run() == 3
    mail = room.mail.messages[-1]
    assert evil in mail["Subject"]
    assert mail["Bcc"] is None
    rich = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<b>x</b>" not in rich
    assert "<img" not in rich
    assert "&lt;!channel&gt; &lt;b&gt;x&lt;/b&gt;" in rich
    (posted,) = room.slack.messages.values()
    assert "<!" not in posted["text"]
    for block in posted["blocks"]:
        for part in [block["text"]] if "text" in block else block.get("fields") or block["elements"]:
            assert part["type"] == "plain_text" or not any(word in part["text"] for word in ("<!", "<@", "<b"))
    assert room.receiver.bodies[-1]["alert"]["branch"] == evil


def test_a_failure_rate(room: Room) -> None:
    room.station.rule(RuleKind.FAILURE_RATE, 0.5, per=RuleScope.WORKFLOW)
    room.station.ends(0, "success", "success")
    room.station.breaks(0, "E   timeout", actor="bob")
    said = room.same_everywhere()
    assert said["Measured"] == "60.0%, 3 of 5 completed runs in 24 h"
    assert said["First failed run"] == "0000000 (run started by bob): a change"
    assert said["Error of run 5"] == "E   timeout"
    assert said["Rule"] == "mine: failure rate ≥ 50%"
    assert said["GitHub"].endswith("/runs/5")


def test_the_built_in_rate(room: Room) -> None:
    station = Station(room.engine, room.clock, room.station.deliverer._channels, "50%", new=False)
    room.station.ends(0, "success", "success")
    room.station.breaks(0, "E   timeout", actor="bob")
    assert station.run() == 3
    said = room.read()
    assert room.mail.messages[-1]["Subject"] == "[acme/web] High failure rate: main, 60.0%"
    assert (said["Measured"], said["First failed run"]) == (
        "60.0%, 3 of 5 completed runs in 24 h",
        "0000000 (run started by bob): a change",
    )
    assert (said["Error of run 5"], said["Occurrences"]) == ("E   timeout", "first in 30 days")
    room.station.ends(0, *["success"] * 9)
    assert station.run() == 3
    said = room.read()
    assert said["Duration"]
    assert said["Measured now"] == "21.4%, 3 of 14 completed runs in 24 h"
    assert room.mail.messages[-1]["Subject"] == "[acme/web] Failure rate back to normal: main, 21.4%"
    assert room.receiver.bodies[-1]["event"] == "resolved"


def test_an_error_budget(room: Room) -> None:
    room.station.rule(RuleKind.ERROR_BUDGET, 4, minimum=4, window_seconds=12 * HOUR)
    room.station.breaks(0, "E   timeout", actor="bob")
    room.station.ends(0, "success")
    said = room.same_everywhere()
    assert said["Measured"].startswith("burn rate 7.5× (12 h) and ")
    assert said["First failed run"] == "0000000 (run started by bob): a change"
    assert said["Error of run 3"] == "E   timeout"


def test_a_run_that_is_stuck(room: Room) -> None:
    room.station.rule(RuleKind.STUCK_RUN, HOUR)
    store_runs(room.engine, run(9, status="in_progress", conclusion=None, workflow_id=100, actor="bob"))
    said = room.same_everywhere()
    assert said["Measured"] == "1 run still in progress after 1h 00m"
    assert said["Since"] == "2026-11-18 12:00:00 UTC (for 1h 00m)"
    assert said["Stuck run"] == "0000000 (run started by bob): a change"
    assert said["GitHub"].endswith("/runs/9")


def test_a_queue_and_flaky_runs(room: Room) -> None:
    room.station.rule(RuleKind.QUEUE_TIME, 120, minimum=1)
    store_runs(room.engine, run(1, minutes=20, workflow_id=100))
    store_jobs(room.engine, 1, job(1, start=300, end=330, at=NOON + timedelta(minutes=20)))
    said = room.same_everywhere()
    assert said["Measured"] == "p95 5m 00s, 1 job for ubuntu-latest in 1 h"
    assert said["GitHub"].endswith("/runs/1")
    room.station.rule(RuleKind.FLAKY_RATE, 0.1, minimum=1)
    at = NOON + timedelta(minutes=30)
    store_runs(room.engine, run(2, minutes=30, attempt=2, workflow_id=101))
    store_jobs(
        room.engine, 2, job(20, conclusion="failure", at=at), job(21, attempt=2, start=400, end=430, at=at),
        attempts=(attempt(1, "failure"), attempt(2, "success")),
    )  # fmt: skip
    said = room.same_everywhere()
    assert said["Latest flaky run"] == "0000000 (run started by alice): a change"
    assert said["GitHub"].endswith("/runs/2")


def test_what_became_worse(room: Room) -> None:
    day = 24 * 60
    before = [run(n, minutes=-10 * day - 200 * n, seconds=300 + n % 7, workflow_id=100) for n in range(1, 60)]
    lately = [run(100 + n, minutes=-100 * n, seconds=600 + n % 7, workflow_id=100) for n in range(1, 30)]
    failed = [run(200 + n, minutes=-100 * n - 50, conclusion="failure", workflow_id=100) for n in range(1, 9)]
    store_runs(room.engine, *before, *lately, *failed)
    room.station.rule(RuleKind.SUCCESS_REGRESSION, 0.05)
    said = room.same_everywhere()
    assert said["Measured"] == "78.4% in the last 7 days, 100.0% in the 30 days before"
    assert said["First failed run"] == "0000000 (run started by alice): a change"
    assert said["GitHub"].endswith("/runs/201")
    room.station.rule(RuleKind.DURATION_REGRESSION, 0.2)
    said = room.same_everywhere()
    assert said["First slow run"] == "0000000 (run started by alice): a change"
    assert "slower" in said["Measured"]


def test_a_message_of_an_older_version_can_still_be_sent(room: Room) -> None:
    old = {"subject": "s", "headline": "h", "fields": [["a", "b"]], "lines": [], "links": [], "resolved": False}
    channels = room.station.deliverer._channels
    for channel in channels.values():
        channel.send(Message.from_dict(old))
    assert room.receiver.bodies[-1]["alert"] is None
    assert room.slack.headlines() == ["🔴 h"]
