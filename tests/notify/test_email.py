import shutil
import socket
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, NotificationEvent, ThreadParent
from health.alerts.channels.email import EmailChannel, build_email
from tests.notify.servers import mail_server

NEWS = Message(
    subject="[acme/web] CI is failing on main",
    headline="<acme/web> · CI is failing on main",
    fields=(("Failing since", "3 min ago"), ("Branch", "a<b>&c")),
    lines=("E   assert 3 == 4",),
    links=(("Dashboard", "http://localhost:8501/?a=1&b=2"), ("Trap", "javascript:alert(1)")),
)
SENDER, PEOPLE = "pipeline-health@example.com", ("ann@example.com", "Bob <bob@example.com>")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """One that no authority signed, as a mail server on this machine has."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder: Path = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=mail -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def _every_name_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_connection

    def connect(address: tuple[str, int], *rest: Any, **named: Any) -> socket.socket:
        return real(("127.0.0.1", address[1]), *rest, **named)

    monkeypatch.setattr(socket, "create_connection", connect)


def test_one_message_goes_to_all_recipients() -> None:
    with mail_server() as server:
        EmailChannel(f"smtp://127.0.0.1:{server.port}", SENDER, PEOPLE).send(NEWS)
    (envelope,), (mail,) = server.envelopes, server.messages
    assert envelope.rcpt_tos == ["ann@example.com", "bob@example.com"]
    assert envelope.mail_from == SENDER
    assert mail["Subject"] == NEWS.subject
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Date"]


def test_the_message_is_there_as_text_and_as_escaped_html() -> None:
    mail = build_email(NEWS, SENDER, PEOPLE)
    text, html = (part.get_content() for part in mail.iter_parts())
    assert "Failing since: 3 min ago" in text
    assert "a<b>&c" in text
    assert "a&lt;b&gt;&amp;c" in html
    assert 'href="http://localhost:8501/?a=1&amp;b=2"' in html
    assert "javascript" not in html


@pytest.mark.parametrize("subject", ["a\nBcc: eve@example.com", "a\r\nBcc: eve@example.com", "a\x00b\ud800", "ü" * 400])
def test_a_subject_from_outside_cannot_add_a_header_or_stop_the_message(subject: str) -> None:
    with mail_server() as server:
        EmailChannel(f"smtp://127.0.0.1:{server.port}", SENDER, PEOPLE).send(
            Message(subject, "h", (("\ud800", "\x00"),))
        )
    (mail,) = server.messages
    assert mail["Bcc"] is None
    assert len(server.envelopes[0].rcpt_tos) == 2


def test_user_and_password_may_be_percent_encoded() -> None:
    with mail_server() as server:
        EmailChannel(f"smtp://alerts:p%40ss%20word@127.0.0.1:{server.port}", SENDER, PEOPLE).send(NEWS)
    assert len(server.envelopes) == 1


@pytest.mark.parametrize("password", ["wr0ng-s3cret", "s%C3%BCcret"])
def test_a_refused_password_is_not_in_the_error(password: str) -> None:
    with mail_server() as server, pytest.raises(DeliveryFailed, match="SMTP_URL") as failed:
        EmailChannel(f"smtp://alerts:{password}@127.0.0.1:{server.port}", SENDER, PEOPLE).send(NEWS)
    assert "cret" not in str(failed.value)
    assert "\\xfc" not in str(failed.value)


def test_a_password_is_never_sent_in_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as server:
        _every_name_is_this_machine(monkeypatch)
        with pytest.raises(DeliveryFailed, match="not sent unencrypted"):
            EmailChannel(f"smtp://alerts:p%40ss%20word@mail.example.com:{server.port}", SENDER, PEOPLE).send(NEWS)
    assert server.envelopes == []


def test_starttls_is_used_where_the_server_offers_it(certificate: ssl.SSLContext) -> None:
    with mail_server(tls_context=certificate, require_starttls=True) as server:
        EmailChannel(f"smtp://127.0.0.1:{server.port}", SENDER, PEOPLE).send(NEWS)
    assert len(server.envelopes) == 1


def test_a_certificate_that_nobody_signed_is_not_trusted_on_another_machine(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tls_context=certificate) as server:
        _every_name_is_this_machine(monkeypatch)
        with pytest.raises(DeliveryFailed, match="cannot be used"):
            EmailChannel(f"smtp://mail.example.com:{server.port}", SENDER, PEOPLE).send(NEWS)
    assert server.envelopes == []


def test_when_one_recipient_is_refused_the_others_get_the_message_once(caplog: pytest.LogCaptureFixture) -> None:
    with mail_server() as server:
        server.refuse = ("ann@example.com",)
        receipt = EmailChannel(f"smtp://127.0.0.1:{server.port}", SENDER, PEOPLE).send(NEWS)
        assert receipt.note == (
            f"The mail server 127.0.0.1:{server.port} refused ann@example.com (550); "
            "the other recipients received the message"
        )
    assert server.envelopes[0].rcpt_tos == ["bob@example.com"]
    assert "refused ann@example.com" in caplog.text


def test_when_all_recipients_are_refused_the_message_is_not_delivered() -> None:
    with mail_server() as server:
        server.refuse = ("ann@example.com", "bob@example.com")
        with pytest.raises(DeliveryFailed, match="ALERT_EMAIL_TO") as failed:
            EmailChannel(f"smtp://127.0.0.1:{server.port}", SENDER, PEOPLE).send(NEWS)
    assert failed.value.permanent


def test_a_server_that_is_not_there_is_named_with_the_reason() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(DeliveryFailed, match=f"127.0.0.1:{port} cannot be used: Connection refused"):
            EmailChannel(f"smtp://127.0.0.1:{port}", SENDER, PEOPLE).send(NEWS)


def test_what_follows_stands_in_the_thread_of_the_opening_mail() -> None:
    with mail_server() as server:
        channel = EmailChannel(f"smtp://127.0.0.1:{server.port}", SENDER, PEOPLE)
        written = datetime(2026, 11, 18, 12, tzinfo=UTC)
        place = channel.send(NEWS, DeliveryContext(NotificationEvent.FIRING, "41-2026", written)).location
        over = DeliveryContext(
            NotificationEvent.RESOLVED, "42-2026", written, (ThreadParent(NEWS, place), ThreadParent(NEWS, {"ts": "1"}))
        )
        channel.send(NEWS, over)
        channel.send(NEWS, over)
    opening, ending, again = server.messages
    assert opening["Message-ID"] == "<41-2026@example.com>"
    assert (opening["In-Reply-To"], opening["References"]) == (None, None)
    assert ending["Message-ID"] == again["Message-ID"] == "<42-2026@example.com>"
    assert ending["In-Reply-To"] == ending["References"] == opening["Message-ID"]
    assert ending["Date"] == "Wed, 18 Nov 2026 12:00:00 +0000"


def test_the_end_of_many_openings_names_them_all() -> None:
    openings = tuple(ThreadParent(NEWS, {"message_id": f"<{number}@example.com>"}) for number in (1, 2))
    mail = build_email(NEWS, SENDER, PEOPLE, DeliveryContext(NotificationEvent.RESOLVED, thread_parents=openings))
    assert (mail["In-Reply-To"], mail["References"]) == ("<1@example.com>", "<1@example.com> <2@example.com>")
