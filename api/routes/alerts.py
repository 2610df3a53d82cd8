"""Alerts, and the test of their channels."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api import schemas
from api.cache import with_etag
from api.deps import (
    NowDep,
    SessionDep,
    not_found,
    open_session,
    parse_list,
    reject_unknown_parameters,
    repo_scope,
    validate_id,
    write_session,
)
from api.errors import Problem, bad_parameter
from api.settings import ApiSettings
from db.definitions.scope import DEFAULT_SPAN, Scope, Window
from db.enums import AlertState, Severity
from db.runs.run_queries import InvalidCursor
from health.alerts.channels.base import SEND_SECONDS, Channel, DeliveryFailed, Message, run_with_timeout
from health.alerts.channels.registry import CHANNEL_SETTINGS, configured_channels
from health.alerts.storage.alert_queries import AlertFilter, AlertRow, alert_page, get_alert
from health.alerts.storage.alert_writes import acknowledge
from health.metrics import service
from health.metrics.definitions.catalogue import FIGURES, display

router = APIRouter(prefix="/api/alerts", tags=["Alerts"], dependencies=[Depends(reject_unknown_parameters)])
AlertId = Annotated[int, Path(examples=[12])]
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ProblemDocument, "description": "There is no such alert"}
}
_TEST_FIGURES = ("success_rate", "runs", "success_duration_p50", "recovery_p50")


@router.get(
    "", operation_id="list_alerts", response_model=schemas.Alerts, summary="Alerts: firing ones first, then the newest"
)
def alerts(  # noqa: PLR0913, PLR0917 - its filters
    request: Request,
    session: SessionDep,
    now: NowDep,
    state: Annotated[list[AlertState] | None, Query(description="All of them without it; repeatable")] = None,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
    workflow: Annotated[list[str] | None, Query(description="A workflow's name; repeatable")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Repeatable")] = None,
    rule: Annotated[list[int] | None, Query(description="A rule's id; repeatable")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
) -> Response:
    """Each alert is in one state: `silenced` and `acknowledged` ones fire, too."""
    asked = AlertFilter(
        states=tuple(state or ()),
        repos=repo_scope(session, repo or []).repos,
        workflows=parse_list("workflow", workflow or []),
        severities=tuple(severity or ()),
        rule_ids=tuple(validate_id(each) for each in rule or ()),
    )
    try:
        page = alert_page(session, asked, now, limit=limit, cursor=cursor)
    except InvalidCursor as error:
        raise bad_parameter("cursor", str(error)) from None
    items = [schemas.alert_fields(row) for row in page.items]
    return with_etag(request, schemas.Alerts.model_validate({"items": items, "next": page.next}))


@router.post(
    "/test",
    operation_id="send_test_message",
    response_model=schemas.TestResults,
    summary="Send a test message",
    responses={
        403: {"model": schemas.ProblemDocument, "description": "Sent by a page of another site"},
        409: {"model": schemas.ProblemDocument, "description": "No channel is configured"},
        429: {"model": schemas.ProblemDocument, "description": "The channel had one within the last minute"},
        502: {"model": schemas.TestFailed, "description": "No channel took the message"},
    },
)
def send_test(
    request: Request,
    now: NowDep,
    channel: Annotated[
        list[Literal["slack", "email", "webhook"]] | None,
        Query(description="All that are configured without it; repeatable"),
    ] = None,
) -> Any:
    """Goes out at once, past the outbox: whoever asks wants to see whether it arrives. At most one a minute for each
    channel."""
    settings: ApiSettings = request.app.state.settings
    channels = configured_channels(settings)
    if not channels:
        raise Problem(409, f"No channel is configured; set {CHANNEL_SETTINGS}.")
    names = list(dict.fromkeys(channel or channels))
    for name in names:
        if name not in channels:
            raise Problem(409, f"The channel {name} is not configured; configured: {', '.join(channels)}.")
    request.app.state.test_messages.note(names)
    message = _test_message(request, Window(now - DEFAULT_SPAN, now), settings.app_url)
    results = [_send_to_channel(channels[name], message) for name in names]
    if not any(result["ok"] for result in results):
        raise Problem(502, "No channel took the message.", extra={"results": results})
    return {"results": results}


@router.get(
    "/{alert_id}",
    operation_id="get_alert",
    response_model=schemas.Alert,
    summary="One alert with its messages",
    responses=_NOT_FOUND,
)
def alert(request: Request, session: SessionDep, now: NowDep, alert_id: AlertId) -> Response:
    return with_etag(request, _alert_response(get_alert(session, validate_id(alert_id), now), alert_id))


@router.post(
    "/{alert_id}/acknowledge",
    operation_id="acknowledge_alert",
    response_model=schemas.Alert,
    summary="Say that somebody knows",
    responses={
        **_NOT_FOUND,
        403: {"model": schemas.ProblemDocument, "description": "Sent by a page of another site"},
        409: {"model": schemas.ProblemDocument, "description": "It is over"},
    },
)
def acknowledge_alert(
    request: Request, now: NowDep, alert_id: AlertId, body: schemas.Acknowledgement | None = None
) -> schemas.Alert:
    """No repeats from now on; the recovery is told. Who says so last stands there."""
    said = body or schemas.Acknowledgement()
    with write_session(request) as session:
        known = acknowledge(session, validate_id(alert_id), said.by, said.comment, now)
        found = _alert_response(get_alert(session, validate_id(alert_id), now), alert_id)
    if not known:
        raise Problem(409, f"Alert {alert_id} is over.")
    return found


def _alert_response(row: AlertRow | None, alert_id: int) -> schemas.Alert:
    if row is None:
        raise not_found(f"alert {alert_id}")
    return schemas.Alert.model_validate(schemas.alert_fields(row))


def _send_to_channel(channel: Channel, message: Message) -> dict[str, Any]:
    try:
        receipt = run_with_timeout(SEND_SECONDS, lambda: channel.send(message))
    except DeliveryFailed as error:
        return {"channel": channel.name, "ok": False, "error": str(error)}
    return {"channel": channel.name, "ok": True, "error": receipt.note}


def _test_message(request: Request, window: Window, app_url: str) -> Message:
    """With the figures of the dashboard, so that a person can compare them. Holds no session while it is sent."""
    with open_session(request) as session:
        written = display(service.snapshot(session, Scope(), window, commits=False))
    return Message(
        subject="Pipeline Health: test message",
        headline="This is a test: alerts of Pipeline Health arrive here",
        fields=tuple((f"{FIGURES[name].label}, 30 days", written[name]) for name in _TEST_FIGURES),
        links=(("Dashboard", app_url),),
        resolved=True,
    )
