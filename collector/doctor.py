"""python -m collector doctor: is everything there that the collector needs?"""

import smtplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from collector.config import Settings
from collector.github.client import Client
from collector.github.errors import GitHubError
from collector.sync.targets import resolve
from db.engine import DatabaseUnavailable, make_engine, session_scope
from db.migrate import NotMigrated, check_migrated
from db.queries.repositories import heartbeat

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Check:
    """`ok` is null where there is nothing to check."""

    name: str
    ok: bool | None
    detail: str


def doctor(settings: Settings, client: Client, write: Callable[[str], None] = print) -> int:
    """Prints a table; 0 when nothing is wrong, else 1."""
    checks = list(run_checks(settings, client))
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = {True: "ok  ", False: "FAIL", None: "–   "}[check.ok]
        write(f"{mark}  {check.name:<{width}}  {check.detail}")
    return 1 if any(check.ok is False for check in checks) else 0


def health(settings: Settings) -> int:
    """0 while the service beats: at the latest three polls and a minute ago."""
    try:
        engine = make_engine(settings.database_url)
        check_migrated(engine)
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error)
        return 1
    with session_scope(engine) as session:
        beat = heartbeat(session)
    allowed = timedelta(minutes=3 * settings.poll_interval_minutes + 1)
    if beat is None or datetime.now(UTC) - beat.seen_at > allowed:
        print("The collector shows no sign of life.")
        return 1
    return 0


def run_checks(settings: Settings, client: Client) -> Iterator[Check]:
    yield Check("Configuration", True, f"{len(settings.repos)} entries in GITHUB_REPOS, polled every "
                f"{settings.poll_interval_minutes:g} min")  # fmt: skip
    yield _database(settings)
    yield from _github(settings, client)
    yield _slack(settings)
    yield _smtp(settings)


def _database(settings: Settings) -> Check:
    try:
        engine = make_engine(settings.database_url)
        check_migrated(engine)
    except (DatabaseUnavailable, NotMigrated) as error:
        return Check("Database", False, str(error))
    return Check("Database", True, f"{engine.url.render_as_string(hide_password=True)}, migrated")


def _github(settings: Settings, client: Client) -> Iterator[Check]:
    try:
        client.get("/rate_limit")
    except GitHubError as error:
        yield Check("GitHub", False, str(error))
        return
    rate = client.rate.state
    left = (
        f"{rate.remaining:,} of {rate.limit:,} requests left this hour"
        if rate.limit and rate.remaining is not None
        else "no rate limit"
    )
    kind = "with a token" if settings.token else "without a token: public repositories only"
    yield Check("GitHub", True, f"{settings.github_api_url} {kind}; {left}")
    targets = resolve(client, settings.repos)
    for entry, reason in targets.failures.items():
        yield Check(entry, False, reason)
    for name in targets.names:
        yield _repository(client, name)


def _repository(client: Client, name: str) -> Check:
    try:
        client.get(f"/repos/{name}/actions/runs", params={"per_page": 1})
    except GitHubError as error:
        return Check(name, False, str(error))
    return Check(name, True, "runs can be read")


def _slack(settings: Settings) -> Check:
    if not settings.slack_webhook_url:
        return Check("Slack", None, "SLACK_WEBHOOK_URL is not set")
    host = urlsplit(settings.slack_webhook_url.get_secret_value()).hostname
    return Check("Slack", True, f"configured for {host}; POST /api/alerts/test sends a message")


def _smtp(settings: Settings) -> Check:
    if not settings.smtp_url:
        return Check("Email", None, "SMTP_URL is not set")
    url = urlsplit(settings.smtp_url.get_secret_value())
    secure = url.scheme == "smtps"
    port = url.port or (465 if secure else 587)
    make = smtplib.SMTP_SSL if secure else smtplib.SMTP
    try:
        with make(url.hostname or "", port, timeout=_TIMEOUT_SECONDS) as server:
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Check("Email", False, f"SMTP_URL: {url.hostname}:{port} does not answer: {reason}")
    return Check("Email", True, f"{url.hostname}:{port} answers")
