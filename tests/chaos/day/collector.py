"""python -m tests.chaos.day.collector: the collector in accelerated time.

Leases of claims end by PostgreSQL's own clock, in real time: so does what the collector itself counts of them. A claim
on a message is stored with its end in accelerated time: it is longer by as much, so that it lasts as long
in real time."""

import os
import sys
import time

import collector.__main__ as program
from collector import claims
from core import work
from health.alerts.notifications import delivery
from health.alerts.storage import outbox
from tests.chaos.hasty import hurry


def adapt(speed: float, *, hasty: bool) -> None:
    if hasty:
        hurry()
    outbox.CLAIM_DURATION *= speed  # type: ignore[misc]
    claims.uptime = work.uptime = delivery.uptime = time.monotonic
    claims.Lease.__init__.__defaults__ = (time.monotonic, None)


if __name__ == "__main__":
    adapt(float(os.environ["CHAOS_SPEED"]), hasty=bool(os.environ.get("CHAOS_HASTY")))
    sys.exit(program.main())
