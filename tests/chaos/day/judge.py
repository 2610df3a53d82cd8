"""What must be true at the end of that day."""

import time
from collections import Counter

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Alert, InboxItem, Notification
from tests.chaos.day.life import Day
from tests.chaos.scene import Scene, until
from tests.chaos.wire import Fault

_LONGEST_FAULT_SECONDS = 45.0
_MOST_SECONDS_TO_END = 10.5


def settle(day: Day) -> None:
    """Everything works again, and the end state is what it must be."""
    made, report = day.made, day.report
    for wire in (day.github, day.slack):
        wire.fault = Fault.NONE
    assert made.world.chaos
    made.world.chaos.stop()
    begun = time.monotonic()
    made.wait_until_equal(300)
    report.say(f"every row equal to GitHub's after {time.monotonic() - begun:.1f} s")
    for name, is_broken in list(day.broken.items()):
        if is_broken:
            day.turn(name)
    made.wait_until_equal(120)
    until(lambda: _settled(made), 300, "every message sent")
    until(lambda: _waiting(made) == 0, 60, "every delivery applied")
    assert_told_once(day)
    for address in day.apis:
        until(lambda address=address: httpx.get(f"{address}/health", timeout=20).json()["status"] == "ok", 120,  # type: ignore[misc]
              f"{address} all well")  # fmt: skip
    slowest = 0.0
    for name, program in day.running.items():
        assert program.poll() is None, name
        code, seconds = made.end(program)
        slowest = max(slowest, seconds)
        assert code in (0, -15), (name, code)
        assert "Traceback" not in made.log(name), made.log(name)[-3_000:]
    assert slowest < _MOST_SECONDS_TO_END
    report.say(f"all programs answered, and ended within {slowest:.1f} s of SIGTERM")


def _settled(made: Scene) -> bool:
    with Session(made.engine) as session:
        open_ones = session.scalars(select(Alert.id).where(Alert.resolved_at.is_(None))).all()
        waiting = session.scalars(select(Notification.id).where(Notification.state == "pending")).all()
    return not open_ones and not waiting


def _waiting(made: Scene) -> int:
    with Session(made.engine) as session:
        return len(session.scalars(select(InboxItem.delivery_id).where(InboxItem.state == "pending")).all())


def assert_told_once(day: Day) -> None:
    """Every breakage has its alert, and every message that is noted as sent was taken; one was taken twice only where a
    fault came between the taking and the noting of it."""
    made, report = day.made, day.report
    with Session(made.engine) as session:
        rows = session.scalars(select(Notification)).all()
        alerts = session.scalars(select(Alert)).all()
    assert {each.state for each in rows} <= {"sent", "folded"}, Counter(each.state for each in rows)
    due = Counter((each.alert_id or 0, each.reason == "resolved") for each in rows if each.state == "sent")
    taken = made.slack.counts()
    assert due.keys() == taken.keys(), (due - taken, taken - due)
    assert max(due.values(), default=1) == 1
    twice = [key for key, number in taken.items() if number > 1]
    report.say(f"{len(alerts)} alerts of {day.episodes} breakages, {due.total()} messages sent, {taken.total()} taken "
               f"by Slack ({len(twice)} twice), {sum(each.state == 'folded' for each in rows)} folded into later "
               "ones")  # fmt: skip
    assert len(alerts) == day.episodes
    for key in twice:
        moments = [each.at for each in made.slack.taken if (each.alert, each.over) == key]
        assert any(-_LONGEST_FAULT_SECONDS < fault - moments[0] < _LONGEST_FAULT_SECONDS for fault in report.moments)
