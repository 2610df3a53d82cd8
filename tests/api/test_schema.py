"""Anything at all, asked of every endpoint: the answer is one that was promised, and never a fault of ours.

SCHEMA_EXAMPLES=1000 asks each more often than the suite does."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from api.main import create_app, openapi
from api.settings import ApiSettings
from db.collection.sync_state import record_heartbeat
from db.engine import make_engine, write_scope
from db.migrate import upgrade
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs

_EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "10"))
# Well-formed values may name what is not there; no key is set here, and the document says that one may be.
_LEFT_OUT = [positive_data_acceptance, negative_data_rejection, ignored_auth]

_PATHS = openapi()["paths"]
# What takes no parameters cannot be given wrong ones.
_ASKED = sorted(
    (mode.name, method.upper(), path)
    for path, methods in _PATHS.items()
    for method, operation in methods.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.get("parameters")
)


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    url = f"sqlite:///{tmp_path_factory.mktemp('schema')}/x.db"
    engine = make_engine(url)
    upgrade(engine)
    add_repository(engine)
    now = datetime.now(UTC)
    ago = (now - NOON) / timedelta(minutes=1)
    ends = ("success", "failure", "cancelled")
    store_runs(engine, *(run(n, minutes=ago - 60 * n, conclusion=ends[n % 3]) for n in range(1, 60)))
    store_jobs(engine, 1, job(9, start=30, end=500, at=now - timedelta(hours=1)), attempts=(attempt(1, "success"),))
    with write_scope(engine) as session:
        record_heartbeat(session, now, {})
    engine.dispose()
    settings = ApiSettings(
        database_url=url, api_rate_limit="none", github_webhook_secret="secret", allowed_hosts="testserver"
    )
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings))


@pytest.mark.parametrize(("mode", "method", "path"), _ASKED)
def test_every_answer_is_one_that_was_promised(described: Any, mode: str, method: str, path: str) -> None:
    operation = described[path][method]

    @given(case=operation.as_strategy(generation_mode=GenerationMode[mode]))
    @settings(
        max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=_LEFT_OUT)

    ask()
