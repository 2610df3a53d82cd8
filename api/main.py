"""uvicorn --factory api.main:create_app"""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import Scope

from api import errors
from api.auth import ApiKeyMiddleware, matching_key, require_key
from api.cache import InstallationKeyCache, ResponseCache
from api.description import PROBLEM_RESPONSES, UNAUTHORIZED_RESPONSES, install_openapi
from api.exporter.cached import CachedExporter
from api.limits import (
    RATE_HEADERS,
    ConcurrencyLimitMiddleware,
    ConcurrencyLimits,
    RateLimitMiddleware,
    TestMessageLimiter,
)
from api.middleware import ReplicaRetryMiddleware, RequestContextMiddleware
from api.response_cache import ResponseCacheMiddleware
from api.routes import (
    alert_rules,
    alerts,
    badges,
    export,
    health,
    insights,
    logs,
    metrics,
    prometheus,
    repositories,
    runs,
    silences,
    webhooks,
)
from api.schema_guard import SchemaGuard
from api.settings import ApiSettings
from api.webhook_buffer import WebhookBuffer
from core import VERSION
from core.http.bodies import RequestBodyMiddleware
from core.http.connections import command_host, limit_connections, watch_descriptors
from core.http.middleware import HostOriginMiddleware
from core.http.settings import host_policy, require_protection
from core.logging import PROD, configure_logging
from core.redis_client import RedisClient
from core.settings import ConfigError
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import ReplicaRouter

log = logging.getLogger(__name__)


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """Ends the process with code 2 and one line where a setting cannot be used. The database may be away: the
    API answers 503 until it is back."""
    own_process = settings is None
    try:
        settings = settings or ApiSettings.load()
        listening = settings.listen_address(bind_address=command_host()) if own_process else settings.listen_address()
        require_protection(settings, listening, guarded=bool(settings.keys))
        reader = ReplicaRouter(
            settings.database_url, settings.database_replica_url, max_lag_seconds=settings.database_replica_max_lag
        )
    except (ConfigError, DatabaseUnavailable) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    prod = settings.backend_env == PROD
    if own_process:
        configure_logging("api", settings.backend_env, settings.secret_values())
        limit_connections()
        for name in () if prod else ("uvicorn", "uvicorn.access", "uvicorn.error"):
            # In development its lines are for who started it; they are written as ours are.
            logging.getLogger(name).setLevel(logging.INFO)
    app = FastAPIOffline(
        title="Pipeline Health",
        version=VERSION,
        lifespan=_lifespan,
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    app.state.settings, app.state.reader = settings, reader
    app.state.gate = SchemaGuard(reader)
    app.state.measures = CachedExporter(reader, app.state.gate)
    app.state.intake = WebhookBuffer(settings.database_url, app.state.gate) if settings.github_webhook_secret else None
    app.state.redis = RedisClient(settings.redis_url.get_secret_value()) if settings.redis_url else None
    app.state.cache = ResponseCache(app.state.redis, settings.database_url, InstallationKeyCache(reader.primary))
    app.state.registry = CollectorRegistry()
    ProcessCollector(registry=app.state.registry)
    app.state.loads, app.state.test_messages = ConcurrencyLimits(), TestMessageLimiter()
    errors.install_handlers(app)
    _wrap(app, settings)
    front = host_policy(settings, listening, guarded=bool(settings.keys))
    app.add_middleware(HostOriginMiddleware, policy=front, is_authenticated=_has_key(settings.keys))
    app.add_middleware(RequestContextMiddleware, registry=app.state.registry, log_requests=prod)
    _include_routes(app)
    install_openapi(app)
    return app


def _wrap(app: FastAPI, settings: ApiSettings) -> None:
    """From the innermost to the outermost."""
    state, packed = app.state, (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5, exclude_content_types=packed)
    if state.reader.replica is not None:
        app.add_middleware(ReplicaRetryMiddleware)
    app.add_middleware(ConcurrencyLimitMiddleware, limits=state.loads)
    app.add_middleware(
        ResponseCacheMiddleware, reader=state.reader, schema_guard=state.gate, cache=state.cache, keys=settings.keys
    )
    app.add_middleware(RequestBodyMiddleware, exempt_paths=(webhooks.PATH,), allow_forms=_has_key(settings.keys))
    app.add_middleware(ApiKeyMiddleware, keys=settings.keys)
    if settings.rate_limit:
        name = settings.database_url
        app.add_middleware(
            RateLimitMiddleware, rate=settings.rate_limit, keys=settings.keys, redis_client=state.redis, name=name
        )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "If-None-Match"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID", *RATE_HEADERS],
        )


def _has_key(keys: tuple[str, ...]) -> Callable[[Scope], bool]:
    return lambda scope: matching_key(Headers(scope=scope), keys) is not None


def _include_routes(app: FastAPI) -> None:
    # An alert's id stands where the names of its rules and silences do: those first.
    for routes in (runs, metrics, insights, logs, repositories, alert_rules, silences, alerts, export):
        app.include_router(routes.router, dependencies=[Depends(require_key)], responses=UNAUTHORIZED_RESPONSES)
    app.include_router(badges.router, responses=PROBLEM_RESPONSES)
    for routes in (webhooks, health, prometheus):
        app.include_router(routes.router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # What is loaded by now stays: looking through all of it for garbage costs an answer up to a tenth of a second.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # An answer that is kept goes out between two others that are worked out, not after them.
    sys.setswitchinterval(0.001)
    for line in app.state.settings.weak_secrets():
        log.warning("%s. It is refused where BACKEND_ENV=prod and other machines reach the API.", line)
    # The gate says in the log what is wrong; requests find it open once that is over.
    with suppress(DatabaseUnavailable, NotMigrated):
        await run_in_threadpool(app.state.gate.check)
    watch = asyncio.create_task(watch_descriptors())
    yield
    watch.cancel()
    if app.state.intake:
        await app.state.intake.close()
    if app.state.redis:
        app.state.redis.close()
    app.state.reader.close()
