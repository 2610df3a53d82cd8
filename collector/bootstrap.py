"""The composition root: makes a collector from the settings."""

import threading
from datetime import timedelta

from sqlalchemy import Engine

from collector.alert_worker import AlertWorker, FailureLogPrefetcher
from collector.claims import ClaimManager, holder_name
from collector.context import CollectorContext, SyncReporter
from collector.derived_data import DerivedData
from collector.github.auth import AppAuth, Auth, TokenAuth, read_key
from collector.github.client import GitHubClient
from collector.github.limiter import MAX_WAIT_SECONDS, SlidingWindow
from collector.progress import Progress
from collector.settings import CollectorSettings
from collector.sync.engine import SyncEngine
from collector.sync.inbox import InboxProcessor
from collector.tasks import Collector
from collector.teams import TeamsTask
from core import VERSION
from core.clock import utc_now
from core.work import TaskTracker
from db.collection.counters import NOTIFICATION_RESULTS, CounterName
from db.collection.heartbeat_detail import HeartbeatDetail
from health.alerts.channels.registry import configured_channels
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.channel_loader import ChannelLoader
from health.alerts.notifications.delivery import Dispatcher
from health.completeness.collector_status import heartbeat_timeout


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


def make_collector(
    settings: CollectorSettings, engine: Engine, client: GitHubClient, *, is_command: bool = False
) -> Collector:
    """Opens no connection. `is_command`: for a command that ends and shows a progress bar."""
    stop = client.stop = threading.Event()
    poll_interval = timedelta(minutes=settings.poll_interval_minutes)
    channels = configured_channels(settings)
    client.counters.initialize(
        CounterName.NOTIFICATIONS, [f"{channel}/{result}" for channel in channels for result in NOTIFICATION_RESULTS]
    )
    holder, tracker = holder_name(engine), TaskTracker()
    progress = Progress(
        engine,
        utc_now,
        HeartbeatDetail(
            demo=settings.demo,
            poll_seconds=settings.poll_interval_minutes * 60,
            version=VERSION,
            retention_days=settings.retention_days,
            log_retention_days=settings.log_retention_days,
            channels=tuple(channels),
        ),
        bar=is_command,
        # An SQLite file has one collector, which writes the main heartbeat.
        name=holder if engine.dialect.name == "postgresql" and not is_command else None,
        counters=client.counters,
        tracker=None if is_command else tracker,
    )
    timeout = heartbeat_timeout(poll_interval).total_seconds()
    claims = ClaimManager(engine, holder, utc_now, lambda: (tracker.stalest() or ("", 0.0))[1] > timeout)
    # Writes that depend on claims check the lease. The inbox and the outbox have claims of their own in the database.
    leased = engine.execution_options(before_writing=claims.lease.check)
    context = CollectorContext(leased, client, progress, utc_now, stop, tracker, poll_interval)
    sync = SyncEngine(
        context,
        repos=settings.repos,
        backfill_days=settings.backfill_days,
        retention_days=settings.retention_days,
        collect_logs=settings.collect_logs,
    )
    alert_worker = AlertWorker(
        leased,
        evaluator=Evaluator(leased, settings.threshold, list(channels), settings.app_url, utc_now),
        dispatcher=Dispatcher(engine, ChannelLoader(engine, settings, channels), utc_now, counters=client.counters),
        prefetcher=FailureLogPrefetcher(leased, client, sync.logs, utc_now),
        claims=claims,
        stop=stop,
        clock=utc_now,
        app_url=settings.app_url,
        tracker=tracker,
    )
    return Collector(
        context,
        sync,
        InboxProcessor(engine, utc_now, stop=stop, counters=client.counters),
        claims,
        DerivedData(context, settings.prices),
        alert_worker,
        SyncReporter(context),
        TeamsTask(context, settings.teams_file),
    )
