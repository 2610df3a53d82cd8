"""What is strange or broken in one place stays there: one list, one repository, one run, one header."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from sqlalchemy import Engine, select

from collector.claims import ClaimManager
from collector.context import CollectorContext, SyncResult
from collector.github.errors import RateLimited
from collector.github.limiter import RateLimiter
from collector.github.payloads import InvalidPayload, RunPayload, parse_payload
from collector.progress import Progress
from collector.sync.engine import SyncEngine
from collector.sync.scan_plan import BackfillWindow, read_windows
from db.collection.backfills import advance, request_backfill
from db.collection.heartbeat_detail import HeartbeatDetail
from db.collection.sync_state import sync_state
from db.engine import make_engine, safe_url, session_scope, write_scope
from db.models import Run, SyncState
from db.repositories.repository_writes import record_target
from health.retention import prune
from tests.builders import NOON, add_repository
from tests.collector.conftest import REPO, GitHub
from tests.collector.servers import Asked, Reply, StandIn, as_json, limit_headers
from tests.collector.syncing import make_client, sync

NOTHING = as_json({"total_count": 0, "workflows": [], "workflow_runs": []})
NOT_FOUND = as_json({"message": "Not Found"}, 404)


def clock() -> datetime:
    return NOON


def run_json(number: int, **changed: Any) -> dict[str, Any]:
    values = {
        "id": number, "workflow_id": 5, "name": "CI", "run_number": number, "run_attempt": 1, "event": "push",
        "status": "completed", "conclusion": "success", "head_branch": "main", "head_sha": "a" * 40,
        "created_at": "2026-11-18T11:00:00Z", "updated_at": "2026-11-18T11:01:00Z",
    }  # fmt: skip
    return values | changed


def account(listed: Callable[[str], Reply], *names: str) -> Callable[[Asked], Reply]:
    """Repositories of acme by name; `listed` answers the list of runs of one."""

    def respond(asked: Asked) -> Reply:
        _, _, _, name, *rest = asked.path.partition("?")[0].split("/")
        if not rest:
            return as_json({"id": 1 + names.index(name), "full_name": f"acme/{name}", "default_branch": "main"})
        return listed(name) if rest == ["actions", "runs"] else NOTHING

    return respond


def test_a_list_of_an_organisation_that_fails_hides_none_of_its_repositories(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        record_target(session, "acme/web", 1, None, NOON)
        record_target(session, "other/gone", None, "not there", NOON)
        session.get_one(SyncState, 1).identity_checked_at = NOON

    def respond(asked: Asked) -> Reply:
        return as_json({"message": "Bad gateway"}, 502) if "/orgs/" in asked.path else NOTHING

    looked = []
    with StandIn(respond).serve() as url:
        syncing = _sync(engine, url, "acme/*")
        claims = ClaimManager(engine, "me", clock)
        for _ in range(3):
            outcome = SyncResult()
            targets = syncing.targets.resolve(outcome)
            looked.append(sorted(claims.renew().names))
            syncing.run_lists.sync(looked[-1], outcome)
            syncing.targets.prune(targets, outcome)
    assert looked[1:] == [["acme/web"]] * 2


def test_the_rate_limit_in_the_list_of_an_organisation_is_waited_for(engine: Engine) -> None:
    reset = NOON.timestamp() + 1800
    used_up = as_json({"message": "API rate limit exceeded"}, 403, **limit_headers(0, reset=reset))
    with StandIn(lambda _: used_up).serve() as url:
        outcome = _sync(engine, url, "acme/*").run()
    assert outcome.rate_limited is not None
    assert outcome.failures == {}


def test_an_answer_that_breaks_off_is_that_repositorys_trouble_alone(engine: Engine) -> None:
    names = [f"r{number:02d}" for number in range(12)]

    def listed(name: str) -> Reply:
        if name == "r00":
            return Reply(200, NOTHING.headers, NOTHING.body, cut=10)
        time.sleep(0.05)
        return NOTHING

    with StandIn(account(listed, *names)).serve() as url:
        outcome = _sync(engine, url, *(f"acme/{name}" for name in names)).run()
    assert list(outcome.failures) == ["acme/r00"]
    assert len(outcome.repository_results) == 11


def test_text_that_is_too_long_for_its_column_is_cut(engine: Engine) -> None:
    strange = run_json(1, event="x" * 300, conclusion="y" * 300, head_sha="z" * 300, actor={"login": "w" * 300})
    listed = as_json({"total_count": 2, "workflow_runs": [strange, run_json(2)]})
    with StandIn(account(lambda _: listed, "web")).serve() as url:
        _sync(engine, url, "acme/web").run()
    with session_scope(engine) as session:
        one, other = session.scalars(select(Run).order_by(Run.id))
        assert (len(one.event), len(one.conclusion or ""), len(one.head_sha), len(one.actor or "")) == (
            100,
            50,
            64,
            200,
        )
        assert other.event == "push"


def test_a_time_outside_of_the_calendar_is_refused_with_its_run_alone() -> None:
    with pytest.raises(InvalidPayload, match="run 7: updated_at"):
        parse_payload(RunPayload, run_json(7, updated_at="0001-01-01T00:00:00+01:00"))


def test_no_header_stops_asking_for_much_longer_than_an_hour() -> None:
    rate = RateLimiter(clock)
    rate.update({"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"})
    with pytest.raises(RateLimited) as refused:
        rate.check()
    assert refused.value.until == NOON + timedelta(minutes=65)
    rate = RateLimiter(clock, max_wait=90)
    assert rate.record_refusal({"retry-after": "99999999999"}).until == NOON + timedelta(hours=1)


def test_a_day_more_of_history_is_read(engine: Engine) -> None:
    add_repository(engine)

    def want(days: int) -> object:
        with write_scope(engine) as session:
            return request_backfill(session, 1, NOON - timedelta(days=days), NOON, NOON)

    with write_scope(engine) as session:
        state = sync_state(session, 1)
        state.complete_since, state.covered_to = NOON - timedelta(days=30), NOON
        key = request_backfill(session, 1, NOON - timedelta(days=60), NOON, NOON)
        assert key
    missing = want(61)
    assert (missing.since, missing.until) == (NOON - timedelta(days=61), key.since)  # type: ignore[attr-defined]
    with write_scope(engine) as session:
        advance(session, key, key.since, 0, 0, NOON)
        advance(session, key, key.since, 0, 0, NOON + timedelta(hours=2))
    assert want(60) is None
    assert want(61) == missing


def test_a_window_that_holds_more_than_github_said_is_cut() -> None:
    def respond(asked: Asked) -> Reply:
        path, _, query = asked.path.partition("?")
        asked_for = dict(parse_qsl(query))
        since, until = (datetime.fromisoformat(each) for each in asked_for["created"].split(".."))
        page, number = int(asked_for.get("page", 1)), min(int((until - since) / timedelta(hours=1)) * 20, 1000)
        first = int(since.timestamp())
        runs = [
            run_json(first + (page - 1) * 100 + place) for place in range(max(0, min(100, number - page * 100 + 100)))
        ]
        reply = as_json({"total_count": min(number, 950), "workflow_runs": runs})
        more = f'<{url}{path}?created={quote(asked_for["created"])}&per_page=100&page={page + 1}>; rel="next"'
        return Reply(200, {**reply.headers, **({"Link": more} if page * 100 < number else {})}, reply.body)

    with StandIn(respond).serve() as url:
        ended: list[BackfillWindow] = [
            window
            for window, _, last in read_windows(make_client(url, clock), REPO, NOON - timedelta(days=4), NOON)
            if last
        ]
    assert len(ended) > 1
    assert not any(window.over_cap or window.read_count >= 1000 for window in ended)


def test_what_is_deleted_for_its_age_is_not_read_again(engine: Engine, github: GitHub) -> None:
    for number in range(5):
        github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(days=20, minutes=number))
    github.world.add_run(REPO, "CI", created_at=github.clock() - timedelta(days=2))
    asked = []
    for _ in range(3):
        sync(engine, github.url, (REPO,), clock=github.clock, retention_days=7)
        asked.append(sum("/jobs" in path for path in github.asked()))
        assert sum(prune(engine, github.clock() - timedelta(days=7), github.clock())) <= 6
        github.clock.forward(hours=25)
    assert asked[1:] == [0, 0]


def test_a_database_url_is_shown_without_any_password() -> None:
    for url in ("postgresql://u:s3cret@h/x", "postgresql://u@h/x?password=s3cret&sslmode=require&sslpassword=s3cret"):
        engine = make_engine(url)
        assert "s3cret" not in safe_url(engine)
        assert "h/x" in safe_url(engine)


def _sync(engine: Engine, url: str, *repos: str) -> SyncEngine:
    context = CollectorContext(engine, make_client(url, clock), Progress(engine, clock, HeartbeatDetail()), clock)
    return SyncEngine(context, repos=repos, backfill_days=30, retention_days=400)
