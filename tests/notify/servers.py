"""What stands in for Slack and for a mail server: real servers on this machine."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Slack:
    """Answers every message with `status`, `body` and `headers`; keeps what it was sent."""

    url: str = ""
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def slack_server() -> Iterator[Slack]:
    slack = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            slack.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(slack.status)
            for name, value in slack.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(slack.body)))
            self.end_headers()
            self.wfile.write(slack.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    slack.url = f"http://127.0.0.1:{server.server_port}/services/T000/B000/s3cr3t-hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield slack
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Mail:
    """`refuse` are addresses that the server does not take, and `refusal` what it says then; `answer` is
    what it says of a message."""

    port: int = 0
    refuse: tuple[str, ...] = ()
    refusal: str = "550 no such person"
    answer: str = "250 taken"
    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        raw = [envelope.original_content or b"" for envelope in self.envelopes]
        return [message_from_bytes(each, policy=policy.default) for each in raw]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return self.answer


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"alerts", b"p@ss word"), handled=False)


@contextmanager
def mail_server(**options: Any) -> Iterator[Mail]:
    """Takes user `alerts` with password `p@ss word`; without TLS unless `tls_context` is given."""
    mail = Mail(free_port())
    controller = Controller(
        mail, hostname="127.0.0.1", port=mail.port, authenticator=_authenticate, auth_require_tls=False, **options
    )
    controller.start()
    yield mail
    controller.stop()
