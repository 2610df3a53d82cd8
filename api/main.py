"""uvicorn --factory api.main:create_app"""

import logging.config
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from api import errors
from api.auth import require_key
from api.cache import Cache
from api.config import Settings
from api.gate import Gate
from api.intake import Intake
from api.logging_setup import logging_config
from api.middleware import Around
from api.routes import alerts, health, logs, metrics, prometheus, repositories, runs, webhooks
from api.schemas import ProblemDocument
from db.config import ConfigError
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import NotMigrated
from db.version import VERSION

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": ProblemDocument, "description": "API_KEYS is set and no key was sent"},
    422: {"model": ProblemDocument, "description": "A parameter is unknown or cannot be used"},
    503: {"model": ProblemDocument, "description": "The database cannot be used now"},
}
_DESCRIPTION = """\
Health of GitHub Actions pipelines. Every figure is the one that the dashboard and the messages show; what each
means stands in docs/metrics.md. Times are UTC, durations are seconds, errors are RFC 9457 problem documents.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Ends the process with code 2 and one line where a setting cannot be used. The database may be away: the
    API answers 503 until it is back."""
    own_process = settings is None
    try:
        settings = settings or Settings.load()
        engine = make_engine(settings.database_url)
    except (ConfigError, DatabaseUnavailable) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    prod = settings.backend_env == "prod"
    if own_process and prod:
        logging.config.dictConfig(logging_config("prod"))
    app = FastAPIOffline(
        title="Pipeline Health",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    app.state.settings, app.state.engine = settings, engine
    app.state.gate = Gate(engine)
    app.state.intake = Intake(settings.database_url, app.state.gate) if settings.github_webhook_secret else None
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    app.state.cache = Cache(redis_url, name_space=settings.database_url)
    app.state.registry = CollectorRegistry()
    ProcessCollector(registry=app.state.registry)
    errors.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(Around, registry=app.state.registry, log_requests=prod)
    _include_routes(app)
    return app


def _include_routes(app: FastAPI) -> None:
    for routes in (runs, metrics, logs, repositories, alerts):
        app.include_router(routes.router, dependencies=[Depends(require_key)], responses=_PROBLEMS)
    for routes in (webhooks, health, prometheus):
        app.include_router(routes.router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # The gate says in the log what is wrong; requests find it open once that is over.
    with suppress(DatabaseUnavailable, NotMigrated):
        await run_in_threadpool(app.state.gate.check)
    yield
    if app.state.intake:
        await app.state.intake.close()
    app.state.cache.close()
    app.state.engine.dispose()
