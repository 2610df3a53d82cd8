"""Alerts and test messages."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api import schemas
from api.auth import ActorDep, requires
from api.deps import (
    NowDep,
    SessionDep,
    TeamsDep,
    not_found,
    open_session,
    parse_list,
    reject_unknown_parameters,
    repo_scope,
    validate_id,
    write_session,
)
from api.errors import Problem, bad_parameter
from api.limits import ChannelTestLimiter
from api.response_cache import with_etag
from api.settings import ApiSettings
from core.roles import Role
from db.audit import record
from db.definitions.scope import DEFAULT_SPAN, Scope, Window
from db.enums import AlertState, AuditAction, AuditSubject, Severity
from db.runs.cursors import InvalidCursor
from health.alerts.channels.base import SEND_SECONDS, Channel, DeliveryFailed, Message, run_with_timeout
from health.alerts.channels.registry import CHANNEL_SETTINGS, configured_channels
from health.alerts.storage.alert_queries import AlertFilter, alert_page, get_alert
from health.alerts.timeline import alert_timeline
from health.metrics import service
from health.metrics.definitions.catalogue import FIGURES, display

router = APIRouter(prefix="/api/alerts", tags=["Alerts"], dependencies=[Depends(reject_unknown_parameters)])
AlertId = Annotated[int, Path(examples=[12])]
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": schemas.ProblemDocument, "description": "Unknown alert"}}
_TEST_FIGURES = ("success_rate", "runs", "success_duration_p50", "recovery_p50")


@router.get("", operation_id="list_alerts", response_model=schemas.Alerts, summary="List alerts")
def alerts(  # noqa: PLR0913, PLR0917 - its filters
    request: Request,
    session: SessionDep,
    now: NowDep,
    teams: TeamsDep,
    state: Annotated[list[AlertState] | None, Query(description="Default: all; repeatable")] = None,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
    workflow: Annotated[list[str] | None, Query(description="Name or ID of a workflow; repeatable")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Repeatable")] = None,
    rule: Annotated[list[int] | None, Query(description="Id of a rule; repeatable")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="Value of `next` of the previous page")] = None,
) -> Response:
    """Firing alerts first, then the newest. Each alert has one state; `silenced` and `acknowledged` alerts are firing,
    too."""
    filters = AlertFilter(
        states=tuple(state or ()),
        repos=repo_scope(session, repo or []).repos,
        workflows=parse_list("workflow", workflow or []),
        teams=teams,
        severities=tuple(severity or ()),
        rule_ids=tuple(validate_id(rule_id) for rule_id in rule or ()),
    )
    try:
        page = alert_page(session, filters, now, limit=limit, cursor=cursor)
    except InvalidCursor as error:
        raise bad_parameter("cursor", str(error)) from None
    items = [schemas.Alert.from_alert(row) for row in page.items]
    return with_etag(request, schemas.Alerts(items=items, next=page.next))


@router.post(
    "/test",
    operation_id="send_test_message",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.TestResults,
    summary="Send a test notification",
    responses={
        403: {
            "model": schemas.ProblemDocument,
            "description": "The request comes from a page of another site, or its key has a lower scope",
        },
        409: {"model": schemas.ProblemDocument, "description": "No channel is configured"},
        429: {
            "model": schemas.ProblemDocument,
            "description": "The channel received a test message within the last minute",
        },
        502: {"model": schemas.TestFailed, "description": "The message could not be sent to any channel"},
    },
)
def send_test(
    request: Request,
    now: NowDep,
    actor: ActorDep,
    channel: Annotated[
        list[Literal["slack", "email", "webhook"]] | None,
        Query(description="Default: all configured channels; repeatable"),
    ] = None,
) -> schemas.TestResults:
    """Sends the message at once, without the outbox, and returns the result of each channel. At most one message per
    channel and minute."""
    settings: ApiSettings = request.app.state.settings
    channels = configured_channels(settings)
    if not channels:
        raise Problem(409, f"No channel is configured; set {CHANNEL_SETTINGS}.")
    names = list(dict.fromkeys(channel or channels))
    for name in names:
        if name not in channels:
            raise Problem(409, f"The channel {name} is not configured; configured: {', '.join(channels)}.")
    limiter: ChannelTestLimiter = request.app.state.test_limiter
    limiter.check_and_record(names)
    message = _test_message(request, Window(now - DEFAULT_SPAN, now), settings.app_url)
    results = [_send_to_channel(channels[name], message) for name in names]
    with write_session(request) as session:
        for result in results:
            name, after = result.channel, {"accepted": result.ok}
            record(session, actor, AuditAction.SENT, AuditSubject.CHANNEL, name, name, now, after=after)
    if not any(result.ok for result in results):
        failures = [result.model_dump() for result in results]
        raise Problem(502, "No channel accepted the message.", extra={"results": failures})
    return schemas.TestResults(results=results)


@router.get(
    "/{alert_id}",
    operation_id="get_alert",
    response_model=schemas.AlertDocument,
    summary="Get an alert with its deliveries and its timeline",
    responses=_NOT_FOUND,
)
def alert(request: Request, session: SessionDep, now: NowDep, alert_id: AlertId) -> Response:
    row = get_alert(session, validate_id(alert_id), now)
    if row is None:
        raise not_found(f"alert {alert_id}")
    return with_etag(request, schemas.AlertDocument.from_alert_with(row, alert_timeline(session, row, now)))


def _send_to_channel(channel: Channel, message: Message) -> schemas.TestResult:
    try:
        receipt = run_with_timeout(SEND_SECONDS, lambda: channel.send(message))
    except DeliveryFailed as error:
        return schemas.TestResult(channel=channel.name, ok=False, error=str(error))
    return schemas.TestResult(channel=channel.name, ok=True, error=receipt.note)


def _test_message(request: Request, window: Window, app_url: str) -> Message:
    """Contains figures, for comparison with the dashboard. The session is closed before the message is sent."""
    with open_session(request) as session:
        figures = display(service.snapshot(session, Scope(), window, commits=False))
    return Message(
        subject="Pipeline Health: test notification",
        headline="Test notification: alerts of Pipeline Health are sent here",
        fields=tuple((f"{FIGURES[name].label}, 30 days", figures[name]) for name in _TEST_FIGURES),
        links=(("Dashboard", app_url),),
        resolved=True,
    )
