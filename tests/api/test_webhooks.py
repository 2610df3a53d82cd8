"""Deliveries of GitHub's webhook: only signed ones are taken, and what was answered with 202 is stored."""

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from api.routes.webhooks import MAX_BYTES
from api.settings import ApiSettings
from api.webhook_buffer import STORE_TIMEOUT_SECONDS
from db.engine import make_engine, write_scope
from db.enums import InboxState
from db.models import InboxItem
from db.webhook_inbox import DeliveryResult, record_results
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.api.test_process import running, wait_for
from tests.api.webhooks import PATH, SECRET, request, sign
from tests.builders import add_repository
from tests.collector.deliveries import apply, once
from tests.notify.servers import free_port

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def hook(make_client: MakeClient) -> TestClient:
    return make_client(github_webhook_secret=SECRET)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


def stored(session: Session) -> list[str]:
    return list(session.scalars(select(InboxItem.delivery_id).order_by(InboxItem.delivery_id)))


def test_a_signed_delivery_is_stored_as_it_came(hook: TestClient, session: Session) -> None:
    body = b'{"action":"completed",  "workflow_run": {"id": 1}}'
    answer = hook.post(PATH, **request(body, event="workflow_job", delivery="72d3162e-cc78"))
    assert (answer.status_code, answer.json()) == (202, {"status": "stored", "delivery": "72d3162e-cc78"})
    item = session.get_one(InboxItem, "72d3162e-cc78")
    assert (item.event, item.body, item.state, item.tries) == ("workflow_job", body, "pending", 0)


def test_the_signature_of_githubs_documentation_is_taken(hook: TestClient, session: Session) -> None:
    headers = {
        "X-GitHub-Event": "workflow_run",
        "X-GitHub-Delivery": "d-1",
        "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    }
    assert hook.post(PATH, content=b"Hello, World!", headers=headers).status_code == 202
    assert session.get_one(InboxItem, "d-1").body == b"Hello, World!"


def test_a_form_is_signed_as_it_is_sent(hook: TestClient, session: Session) -> None:
    body = urlencode({"payload": '{"action": "completed"}'}).encode()
    sent = request(body, content_type="application/x-www-form-urlencoded")
    assert hook.post(PATH, **sent).status_code == 202
    assert session.get_one(InboxItem, "d-1").body == body


GOOD = sign(b"{}")


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=", GOOD.removeprefix("sha256="), GOOD[:-1], GOOD + "0", GOOD.upper(), "sha1=" + GOOD[7:],
     sign(b"{ }"), sign(b"{}", "another secret"), sign(b"{}", ""), "sha256=\xe9"],
)  # fmt: skip
def test_a_missing_or_wrong_signature_is_refused(hook: TestClient, session: Session, signature: str | None) -> None:
    sent = request(b"{}")
    del sent["headers"]["X-Hub-Signature-256"]
    if signature is not None:
        sent["headers"]["X-Hub-Signature-256"] = signature.encode("latin-1")
    answer = hook.post(PATH, **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert "Secret to" not in answer.text
    assert stored(session) == []


@only_sqlite
def test_without_a_secret_there_are_no_webhooks(make_client: MakeClient, session: Session) -> None:
    client = make_client()
    answer = client.post(PATH, **request(b"{}"))
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "GITHUB_WEBHOOK_SECRET" in answer.json()["detail"]
    assert client.post(PATH, **request(b"{}", secret="")).status_code == 404


@only_sqlite
def test_github_needs_no_key_of_the_api(make_client: MakeClient, engine: Engine) -> None:
    client = make_client(github_webhook_secret=SECRET, api_keys="key")
    assert client.post(PATH, **request(b"{}")).status_code == 202
    assert client.get("/api/runs").status_code == 401


@pytest.mark.parametrize("event", ["ping", "push", "check_run"])
def test_other_events_are_acknowledged_and_not_stored(hook: TestClient, session: Session, event: str) -> None:
    answer = hook.post(PATH, **request(b'{"zen": "Keep it logically awesome."}', event=event))
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert stored(session) == []


@only_sqlite
@pytest.mark.parametrize("name", ["X-GitHub-Event", "X-GitHub-Delivery"])
@pytest.mark.parametrize("value", [None, "", "x" * 101, "with space", "b\xe9b\xe9", "a\tb"])
def test_a_header_that_cannot_be_used_is_named(
    hook: TestClient, session: Session, name: str, value: str | None
) -> None:
    sent = request(b"{}")
    del sent["headers"][name]
    if value is not None:
        sent["headers"][name] = value.encode("latin-1")
    answer = hook.post(PATH, **sent)
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, name)
    assert stored(session) == []


def test_a_delivery_counts_once(hook: TestClient, session: Session) -> None:
    statuses = [hook.post(PATH, **request({"number": number})).json()["status"] for number in range(3)]
    assert statuses == ["stored", "duplicate", "duplicate"]
    assert session.get_one(InboxItem, "d-1").body == b'{"number": 0}'


def test_a_delivery_that_was_applied_is_not_taken_again(hook: TestClient, engine: Engine, session: Session) -> None:
    hook.post(PATH, **request(b"{}"))
    with write_scope(engine) as writing:
        record_results(writing, [DeliveryResult("d-1", InboxState.APPLIED, 1)], NOW)
    assert hook.post(PATH, **request(b"{}")).json() == {"status": "duplicate", "delivery": "d-1"}
    assert session.get_one(InboxItem, "d-1").state == "applied"


@only_sqlite
def test_a_body_larger_than_github_sends_is_refused(hook: TestClient, session: Session) -> None:
    largest = b" " * MAX_BYTES
    assert hook.post(PATH, **request(largest + b" ")).status_code == 413
    assert stored(session) == []
    assert hook.post(PATH, **request(largest)).status_code == 202


@only_sqlite
def test_a_body_without_a_length_is_refused_once_it_is_too_large(database_url: str, session: Session) -> None:
    port = free_port()
    pieces = (b" " * 2**20 for _ in range(40))
    with running("api", DATABASE_URL=database_url, API_PORT=str(port), GITHUB_WEBHOOK_SECRET=SECRET) as process:
        wait_for(f"http://127.0.0.1:{port}/health/live", process)
        answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", headers=request(b"{}")["headers"], content=pieces)
    assert (answer.status_code, stored(session)) == (413, [])


def test_the_secret_stands_in_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    path = f"{tmp_path}/secret"
    with open(path, "w") as file:
        file.write(SECRET + "\n")
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET_FILE", path)
    settings = ApiSettings.load()
    assert settings.github_webhook_secret is not None
    assert settings.github_webhook_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)


@only_sqlite
def test_a_database_that_is_not_migrated_is_a_503_at_once(make_client: MakeClient, tmp_path: object) -> None:
    client = make_client(github_webhook_secret=SECRET, database_url=f"sqlite:///{tmp_path}/new.db")
    answer = client.post(PATH, **request(b"{}"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "python -m db upgrade" in answer.json()["detail"]


@only_sqlite
def test_a_database_that_cannot_be_written_is_a_503_before_github_gives_up(
    hook: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert STORE_TIMEOUT_SECONDS < 10
    monkeypatch.setattr("api.webhook_buffer.STORE_TIMEOUT_SECONDS", 2.5)
    with caplog.at_level(logging.INFO), write_scope(engine) as writing:
        writing.execute(text("SELECT 1"))
        answer = hook.post(PATH, **request(b'{"key": "value of the body"}'))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "locked" in answer.json()["detail"]
    assert [record for record in caplog.records if "Webhook deliveries cannot be stored" in record.message]
    assert SECRET not in caplog.text
    assert "value of the body" not in caplog.text
    assert hook.post(PATH, **request(b"{}", delivery="d-2")).json()["status"] == "stored"


@contextmanager
def holding_the_database(url: str) -> Iterator[None]:
    """Another program takes SQLite's write lock for 0.1 s again and again, as the collector does."""
    over = threading.Event()

    def hold() -> None:
        engine = make_engine(url)
        while not over.is_set():
            with write_scope(engine) as session:
                session.execute(text("UPDATE repositories SET archived = false"))
                over.wait(0.1)
            over.wait(0.02)
        engine.dispose()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def post_all(base: str, number: int) -> list[httpx.Response]:
    """From fifty connections at once."""

    def post(first: int) -> list[httpx.Response]:
        with httpx.Client(base_url=base, timeout=30) as client:
            numbers = range(first, number, 50)
            return [client.post(PATH, **request({"number": k}, delivery=f"d-{k:04}")) for k in numbers]

    with ThreadPoolExecutor(50) as threads:
        return [answer for answers in threads.map(post, range(50)) for answer in answers]


def test_many_at_once_are_all_stored_while_another_program_writes(database_url: str, session: Session) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running(
        "api", DATABASE_URL=database_url, API_PORT=str(port), GITHUB_WEBHOOK_SECRET=SECRET
    ) as process, holding_the_database(database_url):  # fmt: skip
        wait_for(f"{base}/health/live", process)
        answers = post_all(base, 500)
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["status"] for answer in answers} == {"stored"}
    assert stored(session) == [f"d-{k:04}" for k in range(500)]


def test_of_one_delivery_sent_many_times_at_once_one_is_new(database_url: str, session: Session) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running("api", DATABASE_URL=database_url, API_PORT=str(port), GITHUB_WEBHOOK_SECRET=SECRET) as process:
        wait_for(f"{base}/health/live", process)
        with httpx.Client(base_url=base, timeout=30) as client, ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda _: client.post(PATH, **request(b"{}")), range(40)))
    assert sorted(answer.json()["status"] for answer in answers) == ["duplicate"] * 39 + ["stored"]
    assert session.scalar(select(func.count()).select_from(InboxItem)) == 1


@only_sqlite
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_answered_is_stored_however_the_program_ends(
    database_url: str, session: Session, end: signal.Signals
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    answered: list[str] = []

    def post(first: int) -> None:
        with httpx.Client(base_url=base, timeout=30) as client:
            for number in range(first, first + 10_000):
                try:
                    answer = client.post(PATH, **request(b"{}", delivery=f"d-{number:06}"))
                except httpx.TransportError:
                    return
                if answer.status_code == 202:
                    answered.append(answer.json()["delivery"])

    with running("api", DATABASE_URL=database_url, API_PORT=str(port), GITHUB_WEBHOOK_SECRET=SECRET) as process:
        wait_for(f"{base}/health/live", process)
        threads = [threading.Thread(target=post, args=(10_000 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        while len(answered) < 100:
            time.sleep(0.01)
        process.send_signal(end)
        process.wait(timeout=20)
        for thread in threads:
            thread.join()
    assert len(answered) >= 100
    assert set(answered) <= set(stored(session))


@only_sqlite
def test_what_github_sends_over_http_shows_in_the_api(hook: TestClient, engine: Engine) -> None:
    add_repository(engine)
    told = once(100)
    for number, (name, payload) in enumerate(told):
        body = urlencode({"payload": json.dumps(payload)}).encode() if number % 2 else payload
        assert hook.post(PATH, **request(body, event=name, delivery=f"h-{number}")).json()["status"] == "stored"
    assert apply(engine).applied == len(told)
    shown = hook.get("/api/runs/100").json()
    assert (shown["conclusion"], shown["duration_seconds"], shown["queue_seconds"]) == ("success", 55, 5)
    assert [each["steps"][0]["name"] for each in shown["jobs"]] == ["Set up job"]
