"""python -m tests.chaos.hasty: the collector with claims that end after three seconds instead of thirty, with all that
follows from that, and with fewer tries and shorter pauses before what failed is tried again."""

import sys
from datetime import timedelta

import collector.__main__ as program
from collector import claims, scheduler
from collector.github import client
from db.collection import claims as stored
from health.alerts.notifications import delivery
from health.alerts.storage import outbox

LEASE, RENEW_SECONDS, CLAIM = timedelta(seconds=3), 0.5, timedelta(seconds=8)


def hurry() -> None:
    stored.LEASE_DURATION = claims.LEASE_DURATION = LEASE  # type: ignore[misc]
    claims.SETTLE_MARGIN = program.SETTLE_MARGIN = LEASE / 2  # type: ignore[misc]
    claims.RENEW_SECONDS = scheduler.RENEW_SECONDS = RENEW_SECONDS
    outbox.CLAIM_DURATION = CLAIM
    delivery._MAX_CLAIM_AGE_SECONDS = 3.0
    delivery.SEND_SECONDS = 4.0
    outbox._FIRST_DELAY, outbox._LONGEST_DELAY = timedelta(seconds=0.5), timedelta(seconds=2)
    client._MAX_PAUSE_SECONDS, client.MAX_ATTEMPTS = 0.5, 2


if __name__ == "__main__":
    hurry()
    sys.exit(program.main())
