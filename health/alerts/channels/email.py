"""E-mail by SMTP: one message to all recipients, as text and HTML."""

import html
import logging
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, field_validator, model_validator

from core.http.settings import PlainHttpSettings, is_loopback
from core.text import printable, register_secrets
from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, Receipt, parse_url, short_line

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10


_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+", re.ASCII)


class EmailSettings(PlainHttpSettings):
    smtp_url: SecretStr | None = None
    alert_email_from: str | None = None
    alert_email_to: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.alert_email_to.split(",") if part.strip())

    @property
    def sender(self) -> str:
        host = urlsplit(self.smtp_url.get_secret_value()).hostname if self.smtp_url else None
        return self.alert_email_from or f"pipeline-health@{host or 'localhost'}"

    @field_validator("smtp_url")
    @classmethod
    def _validate_smtp_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = parse_url(value.get_secret_value())
            if parts is None or parts.scheme not in ("smtp", "smtps"):
                raise ValueError("the value is not a mail server; expected smtp://user:password@host:587 or smtps://…")
        return value

    @field_validator("alert_email_from", "alert_email_to")
    @classmethod
    def _validate_mail_addresses(cls, value: str | None) -> str | None:
        for part in (value or "").split(","):
            address = parseaddr(part.strip())[1]
            if part.strip() and (not _ADDRESS.fullmatch(address) or not part.isprintable()):
                raise ValueError(f"{part.strip()[:60]!r} is not an e-mail address; expected NAME@HOST, comma-separated")
        return value

    @field_validator("alert_email_from")
    @classmethod
    def _validate_mail_sender(cls, value: str | None) -> str | None:
        if value and ("," in value or not value.strip()):
            raise ValueError("invalid value; expected one e-mail address, such as pipeline-health@example.com")
        return value

    @model_validator(mode="after")
    def _require_recipients(self) -> "EmailSettings":
        if self.smtp_url and not self.recipients:
            raise ValueError("ALERT_EMAIL_TO: required with SMTP_URL; set one or more recipients")
        return self


def email_channel(settings: EmailSettings) -> "EmailChannel | None":
    """The configured e-mail channel; null without a mail server."""
    if not settings.smtp_url:
        return None
    url = settings.smtp_url.get_secret_value()
    return EmailChannel(url, settings.sender, settings.recipients, settings.plain_hosts)


class _BoundedSmtp(smtplib.SMTP):
    """Limits the time and the response size of a whole session. The time limit ends before the claim on a notification,
    so that two processes do not send it at once. An error response to QUIT is ignored: the server has the message."""

    max_seconds = 80.0
    # Size of all responses of a session.
    max_bytes = 1_000_000
    _timer: threading.Timer | None = None
    _received = 0

    def connect(self, *args: Any, **named: Any) -> tuple[int, bytes]:
        self._timer = threading.Timer(self.max_seconds, self._abort)
        self._timer.daemon = True
        self._timer.start()
        return super().connect(*args, **named)

    def _abort(self) -> None:
        """Closes the socket, so that a pending read fails at once."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _CountedLines(self.sock.makefile("rb"), self._count)
        return super().getreply()

    def _count(self, size: int) -> None:
        self._received += size
        if self._received > self.max_bytes:
            raise OSError(f"it sent more than {self.max_bytes:,} bytes")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().close()

    def __exit__(self, *args: Any) -> None:
        with suppress(smtplib.SMTPException):
            super().__exit__(*args)


class _CountedLines:
    def __init__(self, file: Any, count: Callable[[int], None]) -> None:
        self._file, self._count = file, count

    def readline(self, longest: int) -> bytes:
        line: bytes = self._file.readline(longest)
        self._count(len(line))
        return line

    def close(self) -> None:
        self._file.close()


class _BoundedSmtpTls(_BoundedSmtp, smtplib.SMTP_SSL):
    """TLS from the first byte."""


class EmailChannel:
    """smtp:// uses STARTTLS where the server offers it, and sends a password in clear only to this machine and to
    `plain_hosts`; smtps:// is TLS from the first byte."""

    def __init__(
        self,
        smtp_url: str,
        sender: str,
        recipients: tuple[str, ...],
        plain_hosts: Collection[str] = (),
        *,
        name: str = "email",
        settings: tuple[str, str] = ("SMTP_URL", "ALERT_EMAIL_TO"),
    ) -> None:
        """`settings`: the names of the server's and of the recipients' setting, for error messages."""
        self.name, (self._server_setting, self._recipients_setting) = name, settings
        url = urlsplit(smtp_url.strip())
        self._tls = url.scheme == "smtps"
        self._host = url.hostname or ""
        self._port = url.port or (465 if self._tls else 587)
        self._user = unquote(url.username) if url.username else None
        self._password = unquote(url.password) if url.password else ""
        register_secrets(self._password)
        self._sender, self._recipients = sender, recipients
        self._may_be_plain = is_loopback(self._host) or self._host in plain_hosts

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when the server accepted at least one recipient, because another attempt would reach that one twice.
        The note of the receipt names the refused ones."""
        address = f"{self._host}:{self._port}"
        mail = build_email(message, self._sender, self._recipients, context)
        try:
            with self._connect() as server:
                self._log_in(server)
                refused = server.send_message(mail, to_addrs=[parseaddr(name)[1] for name in self._recipients])
        except smtplib.SMTPAuthenticationError:
            raise DeliveryFailed(
                f"The mail server {address} rejected the user name or password; check {self._server_setting}"
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            remedy = f"check {self._recipients_setting}"
            reason = f"The mail server {address} accepted none of the recipients ({codes[0]}); {remedy}"
            raise DeliveryFailed(reason, permanent=all(code >= 500 for code in codes)) from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(
                f"The mail server {address} answered {error.smtp_code}{_server_message(error)}",
                permanent=error.smtp_code >= 500,
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DeliveryFailed(f"The mail server {address} cannot be used: {short_line(cause)}") from None
        note = _refused_note(address, refused)
        if note:
            log.warning("%s", note)
        return Receipt({"message_id": str(mail["Message-ID"])}, note)

    def check_connection(self) -> str:
        """Connects, with TLS where the server offers it, without a login. Returns host and port; raises
        DeliveryFailed."""
        address = f"{self._host}:{self._port}"
        try:
            with self._connect() as server:
                server.noop()
        except (OSError, smtplib.SMTPException) as error:
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DeliveryFailed(f"The mail server {address} is not responding: {short_line(cause)}") from None
        return address

    def _connect(self) -> smtplib.SMTP:
        context = self._tls_context()
        if self._tls:
            return _BoundedSmtpTls(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        server = _BoundedSmtp(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            self._start_tls(server, context)
        except BaseException:
            server.close()
            raise
        return server

    def _start_tls(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif self._user and not self._may_be_plain:
            raise DeliveryFailed(
                f"The mail server {self._host} offers no TLS; the password is not sent unencrypted, unless "
                "ALLOW_PLAIN_HTTP names the host"
            )

    def _tls_context(self) -> ssl.SSLContext:
        """Certificates are not verified on this machine, where a mail server mostly has a self-signed one."""
        context = ssl.create_default_context()
        if is_loopback(self._host):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _log_in(self, server: smtplib.SMTP) -> None:
        if not self._user:
            return
        try:
            server.login(self._user, self._password)
        except UnicodeError:
            # The text of the error contains a part of the password.
            raise DeliveryFailed(
                f"{self._server_setting}: the user name or password contains characters that SMTP authentication does "
                "not support"
            ) from None


def _server_message(error: smtplib.SMTPResponseException) -> str:
    """The text of a response. It contains no password: responses to AUTH are handled elsewhere."""
    response = error.smtp_error
    text = short_line(response.decode("utf-8", "replace") if isinstance(response, bytes) else response)
    return f": {text}" if text else ""


def _refused_note(address: str, refused: Mapping[str, tuple[int, bytes]]) -> str | None:
    if not refused:
        return None
    recipients = ", ".join(f"{name} ({code})" for name, (code, _) in refused.items())
    return f"The mail server {address} refused {recipients}; the other recipients received the message"


def build_email(
    message: Message, sender: str, recipients: tuple[str, ...], context: DeliveryContext | None = None
) -> EmailMessage:
    """The mail of a message. Its subject is one line, because a line break in a name from GitHub would start another
    header. Message-ID and Date are the same on every attempt, so that mail systems recognise duplicates."""
    context = context or DeliveryContext()
    mail = EmailMessage()
    mail["Subject"] = " ".join(printable(message.subject).split())[:250]
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(context.created_at)
    mail["Message-ID"] = f"<{context.idempotency_key}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>"
    parents = [str(known) for parent in context.thread_parents if (known := parent.receipt.get("message_id"))]
    if parents:
        mail["In-Reply-To"] = parents[0]
        mail["References"] = " ".join(parents)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(printable(as_text(message)))
    mail.add_alternative(printable(as_html(message)), subtype="html")
    return mail


def as_text(message: Message) -> str:
    width = max((len(label) for label, _ in message.fields), default=0)
    rows = [f"{label + ':':<{width + 2}}{value}" for label, value in message.fields]
    links = [f"{label}: {url}" for label, url in message.links]
    parts = ([message.headline], rows, list(message.lines), links)
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def as_html(message: Message) -> str:
    colour = "#067A71" if message.resolved else "#B91C12"
    rows = "".join(
        f'<tr><td style="padding:2px 16px 2px 0;color:#55606C;vertical-align:top">{html.escape(label)}</td>'
        f"<td>{html.escape(value)}</td></tr>"
        for label, value in message.fields
    )
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in message.lines)
    links = " · ".join(
        f'<a href="{html.escape(url, quote=True)}">{html.escape(label)}</a>'
        for label, url in message.links
        if url.startswith(("http://", "https://"))
    )
    return (
        '<html><body style="font-family:sans-serif;font-size:14px;color:#0F1720">'
        f'<h2 style="font-size:16px;color:{colour}">{html.escape(message.headline)}</h2>'
        f"<table>{rows}</table>{lines}<p>{links}</p></body></html>"
    )
