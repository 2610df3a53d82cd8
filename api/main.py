"""The application factory: `uvicorn --factory api.main:create_app`, or `python -m api`."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from api import errors
from api.auth import ApiKeyMiddleware, principal
from api.description import LICENSE, PROBLEM_RESPONSES, TITLE, UNAUTHORIZED_RESPONSES, openapi_document
from api.exporter.cached import CachedExporter
from api.keyring import AuthenticationMiddleware, Keyring, has_key
from api.limits import (
    RATE_HEADERS,
    ChannelTestLimiter,
    ConcurrencyLimitMiddleware,
    ConcurrencyLimits,
    RateLimitMiddleware,
)
from api.middleware import CompressionMiddleware, ReplicaRetryMiddleware, RequestContextMiddleware
from api.response_cache import InstallationKeyCache, ResponseCache
from api.response_cache_middleware import CACHED_PATHS, ResponseCacheMiddleware
from api.routes import (
    alert_actions,
    alert_rules,
    alerts,
    audit,
    badges,
    cause_rules,
    cause_triage,
    digest,
    export,
    health,
    insights,
    log_search,
    logs,
    metrics,
    prometheus,
    repositories,
    runs,
    silences,
    teams,
    views,
    webhooks,
)
from api.schema_guard import SchemaGuard
from api.settings import ApiSettings
from api.visibility import Visibilities
from api.webhook_buffer import WebhookBuffer
from core import VERSION
from core.http.bodies import RequestBodyMiddleware
from core.http.connections import command_host, limit_connections, watch_descriptors
from core.http.middleware import HostOriginMiddleware
from core.http.settings import ListenAddress, host_policy, require_protection
from core.logging import PROD, configure_logging
from core.redis_client import RedisClient
from core.settings import ConfigError
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import ReplicaRouter

log = logging.getLogger(__name__)


def _all_routes() -> APIRouter:
    router = APIRouter()
    # /api/alerts/{alert_id} also matches /api/alerts/rules and /api/alerts/silences, which therefore come first, and
    # /api/logs/{run_id} also matches /api/logs/search.
    filtered = (runs, metrics, insights, log_search, logs, repositories, export)
    changes = (cause_rules, cause_triage, alert_rules, silences, alerts, alert_actions, teams, digest)
    for routes in (*filtered, *changes, audit, views):
        router.include_router(routes.router, dependencies=[Depends(principal)], responses=UNAUTHORIZED_RESPONSES)
    router.include_router(badges.router, responses=PROBLEM_RESPONSES)
    for routes in (webhooks, health, prometheus):
        router.include_router(routes.router)
    router.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    return router


# FastAPI analyses the dependencies and models of an included router once per inclusion, at its first request: all
# applications of the process share the result. It does not support `dependency_overrides`.
_ROUTES = _all_routes().routes


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    return openapi_document(_ROUTES)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(settings: ApiSettings | None = None, *, clock: Callable[[], datetime] = _utc_now) -> FastAPI:
    """Builds the application. Exits the process with status 2 and one line of explanation for an invalid setting. An
    unavailable database is no error here: requests get 503 until it is available.

    Without `settings`, reads them from the environment and configures the logging of the process. `clock` returns the
    current time in UTC; windows of requests are relative to it."""
    own_process = settings is None
    try:
        settings = settings or ApiSettings.load()
        listening = settings.listen_address(bind_address=command_host()) if own_process else settings.listen_address()
        reader = ReplicaRouter(
            settings.database_url, settings.database_replica_url, max_lag_seconds=settings.database_replica_max_lag
        )
        schema_guard = SchemaGuard(reader)
        keyring = Keyring(settings.keys, reader, schema_guard, clock)
        guarded = keyring.always_required or _has_stored_keys(keyring, settings, listening)
        require_protection(settings, listening, guarded=guarded)
        reader.start()
    except (ConfigError, DatabaseUnavailable) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    prod = settings.backend_env == PROD
    if own_process:
        configure_logging("api", settings.backend_env, settings.secret_values())
        limit_connections()
        for name in () if prod else ("uvicorn", "uvicorn.access", "uvicorn.error"):
            # In development the user sees uvicorn's own lines, in the format of ours.
            logging.getLogger(name).setLevel(logging.INFO)
    app = FastAPIOffline(
        title=TITLE,
        version=VERSION,
        lifespan=_lifespan,
        license_info=LICENSE,
        routes=_ROUTES,
    )
    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
    app.state.clock = clock
    app.state.settings, app.state.reader = settings, reader
    app.state.schema_guard, app.state.keyring = schema_guard, keyring
    app.state.visibilities = Visibilities()
    app.state.exporter = CachedExporter(reader, app.state.schema_guard)
    app.state.webhook_buffer = (
        WebhookBuffer(settings.database_url, app.state.schema_guard) if settings.github_webhook_secret else None
    )
    app.state.redis = RedisClient(settings.redis_url.get_secret_value()) if settings.redis_url else None
    app.state.cache = ResponseCache(app.state.redis, settings.database_url, InstallationKeyCache(reader.primary))
    app.state.registry = CollectorRegistry()
    ProcessCollector(registry=app.state.registry)
    app.state.concurrency_limits, app.state.test_limiter = ConcurrencyLimits(), ChannelTestLimiter()
    errors.install_handlers(app)
    _add_middleware(app, settings)
    policy = host_policy(settings, listening, guarded=guarded)
    app.add_middleware(HostOriginMiddleware, policy=policy, is_authenticated=has_key)
    app.add_middleware(AuthenticationMiddleware, keyring=keyring)
    app.add_middleware(RequestContextMiddleware, registry=app.state.registry, log_requests=prod)
    return app


def _has_stored_keys(keyring: Keyring, settings: ApiSettings, address: ListenAddress) -> bool:
    """Whether an API that other machines may reach is protected by a stored key. Requests then need a key even if all
    rows of the table are lost. False while the database is unavailable."""
    if settings.access_by_proxy or (address.bind_address is not None and not address.is_open):
        return False
    with suppress(DatabaseUnavailable, NotMigrated, SQLAlchemyError):
        keyring.always_required = keyring.refresh()
    return keyring.always_required


def _add_middleware(app: FastAPI, settings: ApiSettings) -> None:
    """From the innermost to the outermost."""
    state = app.state
    app.add_middleware(CompressionMiddleware, precompressed_paths=CACHED_PATHS)
    if state.reader.replica is not None:
        app.add_middleware(ReplicaRetryMiddleware)
    app.add_middleware(ConcurrencyLimitMiddleware, limits=state.concurrency_limits)
    app.add_middleware(
        ResponseCacheMiddleware,
        reader=state.reader,
        schema_guard=state.schema_guard,
        cache=state.cache,
        visibilities=state.visibilities,
    )
    app.add_middleware(RequestBodyMiddleware, exempt_paths=(webhooks.PATH,), allow_forms=has_key)
    app.add_middleware(ApiKeyMiddleware, keyring=state.keyring)
    if settings.rate_limit:
        name = settings.database_url
        app.add_middleware(RateLimitMiddleware, rate=settings.rate_limit, redis_client=state.redis, name=name)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "If-None-Match"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID", *RATE_HEADERS],
        )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    for line in app.state.settings.weak_secrets():
        log.warning("%s. With BACKEND_ENV=prod the API would not start on an address that other machines reach.", line)
    # The schema guard logs the reason; requests succeed once the database is available.
    with suppress(DatabaseUnavailable, NotMigrated):
        await run_in_threadpool(app.state.schema_guard.check)
    watch = asyncio.create_task(watch_descriptors())
    yield
    watch.cancel()
    if app.state.webhook_buffer:
        await app.state.webhook_buffer.close()
    if app.state.redis:
        app.state.redis.close()
    app.state.reader.close()
