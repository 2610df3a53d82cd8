"""python -m collector doctor: checks configuration, token, permissions, rate limit, database and channels."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from collector.doctor.channels import check_channels
from collector.doctor.completeness import check_completeness
from collector.doctor.environment import DoctorCheck, check_access, check_machine
from collector.doctor.teams import check_codeowners, check_teams
from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, Gone, NotFound
from collector.github.pagination import fan_out
from collector.settings import NOTHING_TO_COLLECT, CollectorSettings
from collector.sync.targets import resolve_targets
from core.formatting import pluralize
from core.http.client import ResponseLimits
from core.text import clean
from db.collection.setup_report import SetupCheck
from db.engine import DatabaseUnavailable, describe_failure, make_engine
from db.migrate import NotMigrated, check_migrated

_TIMEOUT_SECONDS = 10
_REDIS_LIMITS = ResponseLimits(max_seconds=20.0, max_bytes=100_000)
_CLOCK_SECONDS = 60
# Repositories whose jobs and logs are requested, too, with five requests each.
_MAX_DEEP_CHECKS = 25
_NEVER_SET = threading.Event()


def doctor(settings: CollectorSettings, client: GitHubClient, write: Callable[[str], None] = print) -> int:
    """Prints a table; returns 0 if no check failed, else 1."""
    checks = list(run_checks(settings, client))
    print_checks(checks, write)
    return 1 if any(check.ok is False for check in checks) else 0


def print_checks(checks: Sequence[DoctorCheck | SetupCheck], write: Callable[[str], None] = print) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = {True: "ok  ", False: "FAIL", None: "–   "}[check.ok]
        write(f"{mark}  {check.name:<{width}}  {check.detail}")


def run_checks(settings: CollectorSettings, client: GitHubClient) -> Iterator[DoctorCheck]:
    if settings.repos:
        entries = pluralize(len(settings.repos), "entry", "entries")
        yield DoctorCheck(
            "Configuration", True, f"{entries} in GITHUB_REPOS, polled every {settings.poll_interval_minutes:g} min"
        )
    else:
        yield DoctorCheck("Configuration", False, NOTHING_TO_COLLECT)
    yield from _database(settings)
    yield from _github(settings, client)
    yield _webhooks(settings)
    yield check_access(settings)
    yield _redis(settings)
    yield from check_channels(settings)
    if settings.teams_file:
        yield from check_teams(settings.teams_file, client)


def _database(settings: CollectorSettings) -> Iterator[DoctorCheck]:
    try:
        engine = make_engine(settings.database_url)
        check_migrated(engine)
    except (DatabaseUnavailable, NotMigrated) as error:
        yield DoctorCheck("Database", False, str(error))
        return
    try:
        yield from check_machine(settings, engine)
        yield from check_completeness(engine, datetime.now(UTC))
        yield from check_codeowners(engine)
    except SQLAlchemyError as error:
        yield DoctorCheck("Completeness", False, describe_failure(engine, error))
    finally:
        engine.dispose()


def _github(settings: CollectorSettings, client: GitHubClient) -> Iterator[DoctorCheck]:
    try:
        scopes = client.get("/rate_limit").scopes
    except NotFound:
        scopes = None  # a server without limits has no such endpoint
    except GitHubError as error:
        yield DoctorCheck("GitHub", False, str(error))
        yield from _clock(client)
        return
    scope_text = f" (scopes: {scopes or 'none'})" if scopes is not None else ""
    access = f"{settings.github_api_url} with {client.auth.description}{scope_text}"
    yield DoctorCheck("GitHub", True, f"{access}; {rate_limit_text(client)}")
    yield from _clock(client)
    targets = resolve_targets(client, settings.repos)
    for entry, failure in targets.failures.items():
        yield DoctorCheck(entry, False, str(failure))
    in_depth = set(targets.names[:_MAX_DEEP_CHECKS])
    check = partial(_check_repository, client, in_depth)
    results = dict(fan_out(check, targets.names, stop=_NEVER_SET))
    for name in targets.names:
        result = results[name]
        yield DoctorCheck(name, False, str(result)) if isinstance(result, GitHubError) else result


def rate_limit_text(client: GitHubClient) -> str:
    """The requests that are left, as of the last response."""
    rate = client.rate.state
    if not rate.limit or rate.remaining is None:
        return "no rate limit"
    reserve = (
        f", {client.rate.reserved:,} of them reserved for others (RATE_LIMIT_RESERVE)" if client.rate.reserved else ""
    )
    return f"{rate.remaining:,} of {rate.limit:,} requests left this hour{reserve}"


def _clock(client: GitHubClient) -> Iterator[DoctorCheck]:
    """GitHub accepts the signature of an App only within a minute of its own time."""
    ahead = client.clock_ahead
    if ahead is None:
        return
    seconds = round(ahead.total_seconds())
    if abs(seconds) <= _CLOCK_SECONDS:
        yield DoctorCheck("Clock", True, "in sync with GitHub")
        return
    drift = f"this machine's clock is {abs(seconds):,} s {'ahead of' if seconds > 0 else 'behind'} GitHub's"
    if client.auth.is_installation:
        yield DoctorCheck(
            "Clock", False, f"{drift}: GitHub rejects the signature of the App; synchronize the clock with NTP"
        )
    else:
        yield DoctorCheck("Clock", None, f"{drift}; durations of running jobs are wrong by as much")


def _check_repository(client: GitHubClient, in_depth: Collection[str], name: str) -> DoctorCheck:
    return check_repository(client, name, in_depth=name in in_depth)


def check_repository(client: GitHubClient, name: str, *, in_depth: bool) -> DoctorCheck:
    """Whether the token can read runs; `in_depth` also jobs and logs, those of the latest completed run. Raises
    GitHubError."""
    path = f"/repos/{name}"
    if in_depth:
        client.get(path)
    params = {"per_page": 1, "status": "completed"} if in_depth else {"per_page": 1}
    try:
        data = client.get(f"{path}/actions/runs", params=params).data
    except (Forbidden, NotFound) as error:
        return DoctorCheck(name, False, _permission_error("runs", "Actions", error))
    if not in_depth:
        return DoctorCheck(name, True, "runs can be read")
    run = _first(data, "workflow_runs")
    if run is None:
        return DoctorCheck(name, True, "runs can be read; none is completed yet, so jobs and logs were not checked")
    try:
        job = _first(client.get(f"{path}/actions/runs/{run}/jobs", params={"per_page": 1}).data, "jobs")
    except (Forbidden, NotFound) as error:
        return DoctorCheck(name, False, _permission_error("jobs", "Actions", error))
    if job is None:
        return DoctorCheck(name, True, "runs and jobs can be read")
    return _logs(client, name, job)


def _logs(client: GitHubClient, name: str, job: int) -> DoctorCheck:
    try:
        with client.download(f"/repos/{name}/actions/jobs/{job}/logs"):
            logs = "runs, jobs and logs can be read"
    except Forbidden as error:
        return DoctorCheck(name, False, f"runs and jobs can be read; {_permission_error('logs', 'Actions', error)}")
    except (NotFound, Gone):
        logs = "runs and jobs can be read; the log of the latest run was deleted, which is not a matter of permissions"
    try:
        client.get(f"/repos/{name}/check-runs/{job}/annotations", params={"per_page": 1})
    except (Forbidden, NotFound):
        return DoctorCheck(
            name,
            True,
            f"{logs}; annotations cannot (permission to read Checks): failures of lost runners have no cause",
        )
    return DoctorCheck(name, True, logs)


def _permission_error(what: str, permission: str, error: GitHubError) -> str:
    """A 403 means that the permission is missing; a 404 also means that the token has no access."""
    if isinstance(error, Forbidden):
        return f"{what} cannot be read: the permission to read {permission} is missing ({error})"
    return f"{what} cannot be found: {permission} are disabled there, or the token has no access ({error})"


def _first(data: Any, key: str) -> int | None:
    items = data.get(key) if isinstance(data, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    return first["id"] if isinstance(first, dict) and isinstance(first.get("id"), int) else None


def _webhooks(settings: CollectorSettings) -> DoctorCheck:
    if not settings.github_webhook_secret:
        return DoctorCheck("Webhooks", None, "GITHUB_WEBHOOK_SECRET is not set: new runs are detected by polling only")
    return DoctorCheck("Webhooks", True, "accepted at POST /api/webhooks/github")


def _redis(settings: CollectorSettings) -> DoctorCheck:
    if not settings.redis_url:
        return DoctorCheck("Redis", None, "REDIS_URL is not set: each API process has a cache of its own")
    import redis  # not needed by the collector, which starts faster without it

    from core.redis_client import bounded_redis

    try:
        server = bounded_redis(settings.redis_url.get_secret_value(), _TIMEOUT_SECONDS, _REDIS_LIMITS)
    except ValueError:
        return DoctorCheck("Redis", False, "REDIS_URL: not a Redis URL; use redis://:PASSWORD@HOST:6379/0")
    try:
        server.ping()
    except (redis.RedisError, OSError) as error:
        return DoctorCheck("Redis", False, f"REDIS_URL: {_reason(error)}")
    finally:
        server.close()
    return DoctorCheck("Redis", True, "answers")


def _reason(error: Exception) -> str:
    return clean(getattr(error, "strerror", None) or error, 200)
