"""The composition root: settings in, a working collector out."""

import threading
from datetime import timedelta

from sqlalchemy import Engine

from collector.alert_worker import AlertWorker, FailureLogPrefetcher
from collector.claims import ClaimManager, holder_name
from collector.github.auth import AppAuth, Auth, TokenAuth, read_key
from collector.github.client import GitHubClient
from collector.github.limiter import MAX_WAIT_SECONDS, SlidingWindow
from collector.jobs import CollectorJobs
from collector.logs.collect import LogCollector
from collector.maintenance import PriceRecalculator
from collector.progress import Progress
from collector.settings import CollectorSettings
from collector.sync.engine import SyncEngine
from collector.sync.inbox import InboxProcessor
from core import VERSION
from core.clock import utc_now
from core.work import TaskTracker
from db.collection.counters import NOTIFICATION_RESULTS, CounterName
from db.collection.heartbeat_detail import HeartbeatDetail
from health.alerts.channels.registry import configured_channels
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.delivery import Dispatcher
from health.completeness.collection_status import heartbeat_timeout


def make_client(settings: CollectorSettings) -> GitHubClient:
    return GitHubClient(
        settings.github_api_url,
        auth=_auth(settings),
        user_agent=f"pipeline-health/{VERSION}",
        reserve=settings.rate_limit_reserve,
        sliding_window=SlidingWindow(),
        max_wait=MAX_WAIT_SECONDS,
        log_hosts=settings.log_host_suffixes,
    )


def _auth(settings: CollectorSettings) -> Auth:
    key = settings.github_app_private_key
    if not settings.github_app_id or key is None:
        return TokenAuth(settings.token)
    number = settings.github_app_installation_id
    return AppAuth(settings.github_app_id, read_key(key.get_secret_value()), number, utc_now)


def make_collector_jobs(
    settings: CollectorSettings, engine: Engine, client: GitHubClient, *, bar: bool = False
) -> CollectorJobs:
    """Nothing here talks to anybody yet."""
    stop = client.stop = threading.Event()
    channels = configured_channels(settings)
    detail = HeartbeatDetail(
        demo=settings.demo,
        poll_seconds=settings.poll_interval_minutes * 60,
        version=VERSION,
        retention_days=settings.retention_days,
        log_retention_days=settings.log_retention_days,
        channels=tuple(channels),
    )
    holder = holder_name(engine)
    # On one machine there is one collector, and the main heartbeat is its own.
    name = holder if engine.dialect.name == "postgresql" and not bar else None
    tally = client.tally
    tally.initialize(
        CounterName.NOTIFICATIONS, [f"{channel}/{result}" for channel in channels for result in NOTIFICATION_RESULTS]
    )
    work = TaskTracker()
    progress = Progress(engine, utc_now, detail, bar=bar, name=name, tally=tally, tracker=None if bar else work)
    allowed = heartbeat_timeout(timedelta(minutes=settings.poll_interval_minutes)).total_seconds()
    claims = ClaimManager(engine, holder, utc_now, lambda: (work.stalest() or ("", 0.0))[1] > allowed)
    # What rests on claims. The inbox and the outbox have claims of their own, which the database keeps.
    held = engine.execution_options(before_writing=claims.lease.check)
    logs = LogCollector(held, client, collect=settings.collect_logs, clock=utc_now, stop=stop, progress=progress)
    return CollectorJobs(
        engine=held,
        client=client,
        sync=SyncEngine(
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
        inbox=InboxProcessor(engine, utc_now, stop=stop, tally=tally),
        claims=claims,
        prices=PriceRecalculator(held, settings.prices, utc_now, stop=stop),
        poll_every=timedelta(minutes=settings.poll_interval_minutes),
        alert_worker=AlertWorker(
            held,
            evaluator=Evaluator(held, settings.threshold, list(channels), settings.app_url, utc_now),
            dispatcher=Dispatcher(engine, channels, utc_now, tally=tally),
            prefetcher=FailureLogPrefetcher(held, client, logs, utc_now),
            claims=claims,
            stop=stop,
            tracker=work,
        ),
        tracker=work,
        progress=progress,
        clock=utc_now,
        stop=stop,
    )
