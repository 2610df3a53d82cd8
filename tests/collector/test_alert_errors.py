"""Whatever a channel does, the message waits and arrives once, its error is one line, and no secret is in the log."""

import logging
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine

from health.alerts.channels import slack as slack_module
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack import SlackWebhookChannel
from tests.builders import add_repository, store_runs
from tests.collector.conftest import Clock
from tests.collector.test_alerts import Station, fail

SECRET = "s3cr3t-hook"
_PAGE = b"<!doctype html><title>Sign in</title>"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
FAULTS = {
    "slow down": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    "an error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "silence": None,
    "closed": b"",
    "cut off": b"HTTP/1.1 500 Internal",
    "not HTTP": b"SSH-2.0-nonsense\r\n\r\n",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE),
    "sent elsewhere": b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


@dataclass
class Raw:
    """Answers every POST with these bytes, or (null) not at all, and every GET with a page to sign in."""

    port: int = 0
    answer: bytes | None = _OK
    taken: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T0/B0/{SECRET}"


@contextmanager
def raw_server() -> Iterator[Raw]:
    raw, stop = Raw(), threading.Event()

    def serve(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if stop.is_set():
                    return
                asked = _whole(connection)
                answer = FAULTS["a page"] if asked.startswith(b"GET") else raw.answer
                while answer is None and raw.answer is None and not stop.wait(0.01):
                    pass
                if answer == _OK:
                    raw.taken.append(asked)
                connection.sendall(answer or b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        raw.port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield raw
        stop.set()
        socket.create_connection(("127.0.0.1", raw.port)).close()
        thread.join()


def _whole(connection: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + body


@pytest.mark.parametrize("fault", FAULTS)
def test_a_message_outlasts_what_is_wrong_with_slack_and_arrives_once(
    engine: Engine, clock: Clock, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(slack_module, "TIMEOUT_SECONDS", 0.3)
    add_repository(engine)
    clock.forward(hours=1)
    with raw_server() as slack:
        station = Station(engine, clock, {"slack": SlackWebhookChannel(slack.url)})
        slack.answer = FAULTS[fault]
        store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
        assert station.run() == (1, 0, 0)
        delivery = station.alerts()[0].deliveries[0]
        assert (delivery.state, len(delivery.error.splitlines())) == ("pending", 1)
        slack.answer = _OK
        clock.forward(seconds=20)
        assert station.run() == (0, 0, 1)
        clock.forward(hours=2)
        assert station.run() == (0, 0, 0)
    assert len(slack.taken) == 1
    assert "not delivered, will be retried" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in delivery.error


@contextmanager
def mail_server_that_says(to_quit: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Takes every message; then this."""
    taken: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 mail\r\n")
                for line in lines:
                    word = line[:4].upper()
                    if word == b"STOP":
                        return
                    if word == b"DATA":
                        connection.sendall(b"354 go on\r\n")
                        taken.append(b"".join(iter(lines.readline, b".\r\n")))
                    connection.sendall(to_quit if word == b"QUIT" else b"250 mail\r\n")
                    if word == b"QUIT":
                        break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        yield port, taken
        with smtplib.SMTP("127.0.0.1", port) as last:
            last.send("STOP\r\n")
        thread.join()


@pytest.mark.parametrize("to_quit", [b"421 closing\r\n", b"500 what?\r\n", b""])
def test_a_mail_that_was_taken_is_not_sent_again_for_what_is_said_at_parting(
    engine: Engine, clock: Clock, to_quit: bytes
) -> None:
    add_repository(engine)
    clock.forward(hours=1)
    with mail_server_that_says(to_quit) as (port, taken):
        station = Station(
            engine, clock, {"email": EmailChannel(f"smtp://127.0.0.1:{port}", "a@example.com", ("b@example.com",))}
        )
        store_runs(engine, fail(1, 1), fail(2, 2), fail(3, 3))
        assert station.run() == (1, 0, 1)
        clock.forward(hours=2)
        assert station.run() == (0, 0, 0)
    assert len(taken) == 1
