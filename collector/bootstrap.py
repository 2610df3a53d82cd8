"""The composition root: settings in, a working collector out."""

import threading
from datetime import timedelta

from sqlalchemy import Engine

from collector.alert_worker import Causes, Telling
from collector.claims import Claims, holder_name
from collector.github.auth import AppAuth, Auth, TokenAuth, read_key
from collector.github.client import Client
from collector.github.limiter import PATIENCE_SECONDS, Pace
from collector.jobs import Passes
from collector.logs.collect import LogCollector
from collector.maintenance import Prices
from collector.progress import Progress
from collector.settings import Settings
from collector.sync.engine import Sync
from collector.sync.inbox import Inbox
from core import VERSION
from core.clock import utc_now
from core.counters import SENDING, Count
from core.work import Work
from health.alerts.channels.registry import configured
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.delivery import Deliverer
from health.completeness.collection_status import silence_allowed


def make_client(settings: Settings) -> Client:
    return Client(
        settings.github_api_url,
        auth=_auth(settings),
        user_agent=f"pipeline-health/{VERSION}",
        reserve=settings.rate_limit_reserve,
        pace=Pace(),
        patience=PATIENCE_SECONDS,
        log_hosts=settings.log_host_suffixes,
    )


def _auth(settings: Settings) -> Auth:
    key = settings.github_app_private_key
    if not settings.github_app_id or key is None:
        return TokenAuth(settings.token)
    number = settings.github_app_installation_id
    return AppAuth(settings.github_app_id, read_key(key.get_secret_value()), number, utc_now)


def make_passes(settings: Settings, engine: Engine, client: Client, *, bar: bool = False) -> Passes:
    """Nothing here talks to anybody yet."""
    stop = client.stop = threading.Event()
    channels = configured(settings)
    facts = {
        "demo": settings.demo,
        "poll_seconds": settings.poll_interval_minutes * 60,
        "version": VERSION,
        "retention_days": settings.retention_days,
        "log_retention_days": settings.log_retention_days,
        "channels": list(channels),
    }
    holder = holder_name(engine)
    # On one machine there is one collector, and the main heartbeat is its own.
    name = holder if engine.dialect.name == "postgresql" and not bar else None
    tally = client.tally
    tally.expect(Count.NOTIFICATIONS, [f"{channel}/{result}" for channel in channels for result in SENDING])
    work = Work()
    progress = Progress(engine, utc_now, facts, bar=bar, name=name, tally=tally, work=None if bar else work)
    allowed = silence_allowed(timedelta(minutes=settings.poll_interval_minutes)).total_seconds()
    claims = Claims(engine, holder, utc_now, lambda: (work.oldest() or ("", 0.0))[1] > allowed)
    # What rests on claims. The inbox and the outbox have claims of their own, which the database keeps.
    held = engine.execution_options(before_writing=claims.lease.check)
    logs = LogCollector(held, client, collect=settings.collect_logs, clock=utc_now, stop=stop, progress=progress)
    return Passes(
        engine=held,
        client=client,
        sync=Sync(
            held,
            client,
            repos=settings.repos,
            backfill_days=settings.backfill_days,
            retention_days=settings.retention_days,
            clock=utc_now,
            stop=stop,
            progress=progress,
        ),
        logs=logs,
        inbox=Inbox(engine, utc_now, stop=stop, tally=tally),
        claims=claims,
        prices=Prices(held, settings.prices, utc_now, stop=stop),
        poll_every=timedelta(minutes=settings.poll_interval_minutes),
        telling=Telling(
            held,
            evaluator=Evaluator(held, settings.threshold, list(channels), settings.app_url, utc_now),
            deliverer=Deliverer(engine, channels, utc_now, tally=tally),
            causes=Causes(held, client, logs, utc_now),
            claims=claims,
            stop=stop,
            work=work,
        ),
        work=work,
        progress=progress,
        clock=utc_now,
        stop=stop,
    )
