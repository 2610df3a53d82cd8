"""python -m tests.chaos.hasty: the collector with claims that end after three seconds instead of thirty, with all that
follows from that, and with fewer tries and shorter pauses before what failed is tried again."""

import sys
from datetime import timedelta

import collector.__main__ as program
from collector import claims, lease, scheduler
from collector.github import client
from collector.notify import deliver
from db.store import claims as stored
from db.store import outbox

LEASE, RENEW_SECONDS, CLAIM = timedelta(seconds=3), 0.5, timedelta(seconds=8)


def hurry() -> None:
    stored.LEASE = lease.LEASE = LEASE  # type: ignore[misc]
    lease.SETTLED_WITHIN = program.SETTLED_WITHIN = LEASE / 2  # type: ignore[misc]
    claims.RENEW_SECONDS = scheduler.RENEW_SECONDS = RENEW_SECONDS
    outbox.CLAIM = CLAIM
    deliver._LATEST_SECONDS = 3.0
    deliver.SEND_SECONDS = 4.0
    outbox._FIRST_DELAY, outbox._LONGEST_DELAY = timedelta(seconds=0.5), timedelta(seconds=2)
    client._LONGEST_PAUSE_SECONDS, client.TRIES = 0.5, 2


if __name__ == "__main__":
    hurry()
    sys.exit(program.main())
