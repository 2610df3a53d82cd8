"""Named channels: definitions, references, routing, and what servers receive by PagerDuty's, Opsgenie's and other
services' protocols."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.clock import utc_now
from db.audit import FILE
from db.engine import session_scope, write_scope
from db.enums import TeamSource
from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, NotificationEvent
from health.alerts.channels.definitions import InvalidChannel, parse_channel
from health.alerts.channels.registry import ChannelSettings, UnusableChannel, build_channel
from health.alerts.notifications.channel_loader import ChannelLoader
from health.alerts.routing import RouteReason, RoutingTable
from health.alerts.storage.stored_channels import ChannelFromFile, delete_channel, save_channel, store_file_channels
from health.teams.definition import Team, TeamChannel

SECRET = "s3cr3t-integration-key"
MESSAGE = Message(
    "[acme/web] CI is failing",
    "acme/web · CI is failing",
    data={"severity": "critical", "rule": {"name": "Main"}, "alerts": [
        {"id": number, "repo": "acme/web", "workflow": "CI", "branch": "main", "url": f"http://dash/alerts?alert={number}"}
        for number in (7, 8)
    ]},
)  # fmt: skip


class Receiver:
    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.status, self.retry_after, self.url = 200, "", ""


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append((self.path, json.loads(raw)))
            receiver.headers.append(dict(self.headers))
            self.send_response(receiver.status)
            if receiver.retry_after:
                self.send_header("Retry-After", receiver.retry_after)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(**values: Any) -> ChannelSettings:
    return ChannelSettings(_env_file=None, **values)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"kind": "pagerduty", "integration_key": SECRET}, "integration_key"),
     ({"kind": "slack", "webhook_url": "https://hooks.slack.com/services/s3cr3t"}, "webhook_url"),
     ({"kind": "apprise", "url": "ntfy://s3cr3t@host/topic"}, "url"),
     ({"kind": "apprise", "url": "env:GITHUB_TOKEN"}, "url"), ({"kind": "webhook"}, "url"),
     ({"kind": "slack"}, "channel"), ({"kind": "fax"}, "kind"), ({"kind": "email", "to": ["s p@x"]}, "to"),
     ({"kind": "email", "to": ["a@example.com"], "cc": "b"}, "cc")],
)  # fmt: skip
def test_an_invalid_definition_is_rejected_in_one_line_without_its_secret(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidChannel) as error:
        parse_channel("oncall", body, TeamSource.DASHBOARD)
    assert error.value.field == field
    assert "s3cr3t" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["slack", "Email", "", "a b", "-x"])
def test_names_of_the_environment_and_unusable_names_are_rejected(name: str) -> None:
    with pytest.raises(InvalidChannel):
        parse_channel(name, {"kind": "email", "to": "a@example.com"}, TeamSource.DASHBOARD)


def test_a_missing_reference_fails_on_the_channel_until_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = parse_channel("oncall", {"kind": "pagerduty", "integration_key": "env:PD_KEY"}, TeamSource.FILE)
    channel = build_channel(settings(), definition)
    assert isinstance(channel, UnusableChannel)
    with pytest.raises(DeliveryFailed, match="env:PD_KEY is not set"):
        channel.send(MESSAGE)
    monkeypatch.setenv("PD_KEY", SECRET)
    assert not isinstance(build_channel(settings(), definition), UnusableChannel)


def test_pagerduty_gets_one_incident_for_each_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PD_KEY", SECRET)
    definition = parse_channel("oncall", {"kind": "pagerduty", "integration_key": "env:PD_KEY"}, TeamSource.FILE)
    with receiving() as server:
        channel = build_channel(settings(pagerduty_events_url=f"{server.url}/v2/enqueue"), definition)
        for event in (NotificationEvent.FIRING, NotificationEvent.RESOLVED, NotificationEvent.TEST):
            channel.send(MESSAGE, DeliveryContext(event, idempotency_key="1-2"))
        sent = [(body["event_action"], body["dedup_key"]) for _, body in server.requests]
        assert sent[:4] == [
            ("trigger", "pipeline-health-7"), ("trigger", "pipeline-health-8"),
            ("resolve", "pipeline-health-7"), ("resolve", "pipeline-health-8"),
        ]  # fmt: skip
        assert [action for action, _ in sent[4:]] == ["trigger", "resolve"]
        assert server.requests[0][1]["payload"]["severity"] == "critical"
        server.status, server.retry_after = 429, "7"
        with pytest.raises(DeliveryFailed, match="429") as error:
            channel.send(MESSAGE, DeliveryContext(NotificationEvent.FIRING))
        assert error.value.retry_after is not None
        assert not error.value.permanent
        assert SECRET not in str(error.value)


def test_opsgenie_creates_and_closes_by_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OG_KEY", SECRET)
    body = {"kind": "opsgenie", "api_key": "env:OG_KEY", "team": "web"}
    with receiving() as server:
        server.status = 202
        channel = build_channel(settings(opsgenie_api_url=server.url), parse_channel("og", body, TeamSource.FILE))
        channel.send(MESSAGE, DeliveryContext(NotificationEvent.FIRING))
        channel.send(MESSAGE, DeliveryContext(NotificationEvent.RESOLVED))
        assert [path for path, _ in server.requests][1:3] == [
            "/v2/alerts", "/v2/alerts/pipeline-health-7/close?identifierType=alias",
        ]  # fmt: skip
        assert server.requests[0][1]["priority"] == "P1"
        assert server.headers[0]["Authorization"] == f"GenieKey {SECRET}"


@pytest.mark.parametrize("scheme", ["ntfy", "json"])
def test_other_services_are_requested_under_the_rules_of_channels(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = parse_channel("chat", {"kind": "apprise", "url": "env:CHAT_URL"}, TeamSource.FILE)
    with receiving() as server:
        monkeypatch.setenv("CHAT_URL", f"{scheme}://user:s3cr3t-password@{server.url[7:]}/topic-s3cr3t")
        channel = build_channel(settings(), definition)
        channel.send(MESSAGE, DeliveryContext(NotificationEvent.FIRING))
        assert "acme/web" in json.dumps(server.requests)
        server.status, server.retry_after = 503, "9"
        with pytest.raises(DeliveryFailed, match="503") as error:
            channel.send(MESSAGE, DeliveryContext(NotificationEvent.FIRING))
        assert error.value.retry_after is not None
        assert "s3cr3t" not in str(error.value)
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        channel.send(MESSAGE, DeliveryContext(NotificationEvent.FIRING))
    monkeypatch.setenv("CHAT_URL", f"{scheme}://ntfy.example.com/topic")
    with pytest.raises(DeliveryFailed, match="unencrypted"):
        build_channel(settings(), definition).send(MESSAGE)


def test_a_service_without_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = parse_channel("chat", {"kind": "apprise", "url": "env:CHAT_URL"}, TeamSource.FILE)
    for url in ("syslog://", "file:///etc/passwd", "nonsense"):
        monkeypatch.setenv("CHAT_URL", url)
        assert isinstance(build_channel(settings(), definition), UnusableChannel)


def team(name: str, *channels: TeamChannel) -> Team:
    return Team(name, channels=channels)


def test_a_route_is_rule_then_team_then_catch_all_then_default() -> None:
    table = RoutingTable(("slack", "email", "pay", "oncall", "ops"), ("ops",))
    owner = team("Payments", TeamChannel("pay"), TeamChannel("oncall", ("critical",)), TeamChannel("gone"))
    assert table.route(["email"], [owner], "warning").reason is RouteReason.RULE
    assert table.route([], [owner], "warning").channels == ("pay",)
    critical = table.route([], [owner], "critical")
    assert critical.channels == ("pay", "oncall")
    assert critical.missing == ("gone",)
    assert table.route([], [team("Web")], "critical").channels == ("ops",)
    assert table.route([], [], "critical").reason is RouteReason.CATCH_ALL
    assert RoutingTable(("slack", "pay")).route([], [], "info").channels == ("slack",)
    # A removed channel does not make a rule silent.
    assert table.route(["removed"], [], "info").channels == ("ops",)
    assert RoutingTable(()).route([], [owner], "info").reason is RouteReason.NONE


def test_channels_come_and_go_while_the_program_runs(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PD_KEY", SECRET)
    loader = ChannelLoader(engine, settings(), {})
    definition = parse_channel("oncall", {"kind": "pagerduty", "integration_key": "env:PD_KEY"}, TeamSource.FILE)
    assert loader() == {}
    with write_scope(engine) as session:
        assert store_file_channels(session, [definition], utc_now())
    first = loader()["oncall"]
    assert loader()["oncall"] is first
    with write_scope(engine) as session:
        assert not store_file_channels(session, [definition], utc_now())
        with pytest.raises(ChannelFromFile):
            save_channel(session, definition, utc_now(), actor=FILE)
        with pytest.raises(ChannelFromFile):
            delete_channel(session, "oncall", utc_now(), actor=FILE)
    with write_scope(engine) as session:
        assert store_file_channels(session, [], utc_now())
    assert loader() == {}
    with session_scope(engine) as session:
        assert not delete_channel(session, "oncall", utc_now(), actor=FILE)
