"""The webhook of alerts, as the one who takes it sees it."""

import hashlib
import hmac
import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from health.alerts.channels import http_request, webhook
from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, NotificationEvent
from health.alerts.channels.webhook import WebhookChannel
from tests.notify.web import Answer, Hook, hook

NEWS = Message(
    subject="[acme/web] CI is failing\r\non <b>main</b> \ud800",
    headline="acme/web · CI is failing on main",
    fields=(("In a row", "3 failed runs in a row"),),
    links=(("Alert", "http://dash/alerts?alert=7"),),
    data={
        "severity": "critical",
        "rule": {"id": 1, "name": "ALERT_THRESHOLD"},
        "alerts": [{"id": 7, "repo": "acme/web", "error_line": "E   assert 3 == 4"}],
    },
)
PARCEL = DeliveryContext(NotificationEvent.FIRING, "41-20261118120000", datetime(2026, 11, 18, 12, tzinfo=UTC))
SECRET = "s3cr3t-key"


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as found:
        yield found


def test_the_body_says_in_fields_what_the_message_says_in_words(receiver: Hook) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    WebhookChannel(receiver.url).send(NEWS, PARCEL)
    (posted,) = receiver.posted
    body = posted.body
    assert before <= datetime.fromisoformat(body.pop("sent_at")) <= datetime.now(UTC)
    assert body == {
        "version": 1,
        "event": "firing",
        "delivery": "41-20261118120000",
        "written_at": "2026-11-18T12:00:00Z",
        "title": "[acme/web] CI is failing\r\non <b>main</b> ?",
        "text": "acme/web · CI is failing on main\n\nIn a row: 3 failed runs in a row\n\n"
        "Alert: http://dash/alerts?alert=7\n",
        "resolved": False,
        "severity": "critical",
        "rule": {"id": 1, "name": "ALERT_THRESHOLD"},
        "alert": {"id": 7, "repo": "acme/web", "error_line": "E   assert 3 == 4"},
        "alerts": [{"id": 7, "repo": "acme/web", "error_line": "E   assert 3 == 4"}],
        "links": {"Alert": "http://dash/alerts?alert=7"},
        "weekly_digest": None,
    }
    assert (posted.method, posted.path) == ("POST", "/hooks/s3cr3t-path?token=s3cr3t-query")
    assert posted.headers["Content-Type"].startswith("application/json")
    assert posted.headers["X-Pipeline-Health-Event"] == "firing"
    assert posted.headers["X-Pipeline-Health-Delivery"] == "41-20261118120000"
    assert "X-Pipeline-Health-Signature-256" not in posted.headers


def test_the_signature_is_that_of_the_raw_body(receiver: Hook) -> None:
    channel = WebhookChannel(receiver.url, SECRET)
    channel.send(NEWS, PARCEL)
    channel.send(NEWS)
    for posted in receiver.posted:
        wanted = hmac.new(SECRET.encode(), posted.raw, hashlib.sha256).hexdigest()
        assert posted.headers["X-Pipeline-Health-Signature-256"] == f"sha256={wanted}"
    assert [body["event"] for body in receiver.bodies] == ["firing", "test"]
    assert len({body["delivery"] for body in receiver.bodies}) == 2


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_taken(receiver: Hook, status: int) -> None:
    receiver.answer = Answer(status, b"" if status == 204 else b"whatever")
    WebhookChannel(receiver.url).send(NEWS)


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (401, True), (403, True), (404, True), (410, True), (422, True), (408, False), (425, False),
     (429, False), (500, False), (502, False), (503, False)],
)  # fmt: skip
def test_a_refusal_says_whether_trying_again_can_help(receiver: Hook, status: int, permanent: bool) -> None:
    receiver.answer = Answer(status, b"not\r\n  today " + b"x" * 100_000)
    with pytest.raises(DeliveryFailed, match=f"^The webhook at 127.0.0.1 answered {status}: not today x") as failed:
        WebhookChannel(receiver.url).send(NEWS)
    assert failed.value.permanent is permanent
    assert len(str(failed.value)) < 300


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_to_wait_may_be_seconds_or_a_date(receiver: Hook, status: int) -> None:
    receiver.answer = Answer(status, b"", {"Retry-After": "90"})
    with pytest.raises(DeliveryFailed) as failed:
        WebhookChannel(receiver.url).send(NEWS)
    assert failed.value.retry_after == timedelta(seconds=90)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    receiver.answer = Answer(status, b"", {"Retry-After": later})
    with pytest.raises(DeliveryFailed) as dated:
        WebhookChannel(receiver.url).send(NEWS)
    assert timedelta(seconds=300) < (dated.value.retry_after or timedelta()) <= timedelta(seconds=600)
    receiver.answer = Answer(status, b"")
    with pytest.raises(DeliveryFailed) as unsaid:
        WebhookChannel(receiver.url).send(NEWS)
    assert unsaid.value.retry_after is None


def test_a_redirect_is_reported_and_not_followed(receiver: Hook) -> None:
    with hook() as elsewhere:
        receiver.answer = Answer(307, b"", {"Location": elsewhere.url})
        with pytest.raises(DeliveryFailed, match=r"307, a redirect.*ALERT_WEBHOOK_URL") as failed:
            WebhookChannel(receiver.url, SECRET).send(NEWS)
        assert elsewhere.posted == []
    assert failed.value.permanent


def test_an_answer_that_does_not_come_is_a_failed_delivery(receiver: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_request, "READ_TIMEOUT_SECONDS", 0.3)
    receiver.seconds = 1.5
    with pytest.raises(DeliveryFailed, match="cannot be reached: no answer within") as failed:
        WebhookChannel(receiver.url).send(NEWS)
    assert not failed.value.permanent


def test_an_answer_that_never_ends_is_read_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_request, "READ_TIMEOUT_SECONDS", 0.5)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n")
                while not ended.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(DeliveryFailed, match="answered 500: xx"):
            WebhookChannel(f"http://127.0.0.1:{server.getsockname()[1]}/x").send(NEWS)
        ended.set()
        thread.join()


def test_nobody_there_and_no_such_host_are_told_with_the_reason_and_nothing_more() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(DeliveryFailed, match=r"^The webhook at 127.0.0.1 cannot be reached: Connection refused$"):
            WebhookChannel(f"http://u:s3cr3t@127.0.0.1:{port}/s3cr3t?s=s3cr3t").send(NEWS)
    with pytest.raises(DeliveryFailed, match=r"^The webhook at nowhere.invalid cannot be reached: [^/]+$") as failed:
        WebhookChannel("http://nowhere.invalid/s3cr3t").send(NEWS)
    assert "s3cr3t" not in str(failed.value)


def test_only_the_host_of_the_url_is_ever_shown(receiver: Hook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    channel = WebhookChannel(receiver.url.replace("://", "://user:s3cr3t-word@"), SECRET)
    told = []
    for answer in (Answer(500, b"failed /hooks/s3cr3t-path?token=s3cr3t-query"), Answer(400, SECRET.encode())):
        receiver.answer = answer
        with pytest.raises(DeliveryFailed) as failed:
            channel.send(NEWS)
        told.append(str(failed.value))
    receiver.answer = Answer(200, b"")
    channel.send(NEWS)
    channel.check_connection()
    assert "s3cr3t" not in f"{told} {caplog.text}"


def test_a_look_whether_somebody_is_there_sends_no_alert(receiver: Hook) -> None:
    receiver.answer = Answer(405, b"")
    assert WebhookChannel(receiver.url, SECRET).check_connection() == "405"
    assert [(each.method, each.raw) for each in receiver.posted] == [("HEAD", b"")]


def test_what_is_posted_is_json_whatever_the_names() -> None:
    raw = json.dumps(webhook.body(Message("\ud800\x00", "é", (("a", "\udfff"),)), PARCEL, PARCEL.created_at))
    assert json.loads(raw)["alert"] is None
