"""No server keeps a message for longer than a collector's claim on it lasts."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from health.alerts.channels import email
from health.alerts.channels.base import SEND_SECONDS, DeliveryFailed, Message, run_with_timeout
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.http_request import _retry_after_in_seconds
from health.alerts.channels.webhook import WebhookChannel
from health.alerts.storage.outbox import CLAIM_DURATION

MESSAGE = Message(subject="CI is failing", headline="acme/web · CI is failing on main")


@contextmanager
def dripping() -> Iterator[int]:
    """The port of a server that answers with a letter every 50 ms and never comes to the end of a line."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        accepted, _ = listening.accept()
        with accepted:
            while not over.wait(0.05):
                try:
                    accepted.sendall(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        over.set()
        thread.join()
        listening.close()


def test_a_mail_server_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email._BoundedSmtp, "max_seconds", 0.5)
    with dripping() as port, pytest.raises(DeliveryFailed, match="The mail server"):
        EmailChannel(f"smtp://127.0.0.1:{port}", "ci@example.com", ("a@example.com",)).send(MESSAGE)


def test_a_webhook_that_drips_is_left() -> None:
    with dripping() as port:
        channel = WebhookChannel(f"http://127.0.0.1:{port}/hook")
        with pytest.raises(DeliveryFailed, match="longer than"):
            run_with_timeout(0.5, lambda: channel.send(MESSAGE))


def test_what_comes_in_time_is_what_is_told() -> None:
    assert run_with_timeout(30, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(30, lambda: 1 // 0)


def test_all_of_it_is_over_before_another_collector_may_send_it() -> None:
    assert email._BoundedSmtp.max_seconds < SEND_SECONDS < CLAIM_DURATION.total_seconds()


def test_a_date_beyond_all_dates_is_no_time_to_wait_for() -> None:
    assert _retry_after_in_seconds({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -1200"})["Retry-After"].startswith("Fri")
