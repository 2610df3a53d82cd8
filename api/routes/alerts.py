"""Alerts, and the test of their channels."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.auth import not_from_other_sites
from api.cache import with_etag
from api.config import Settings
from api.deps import NowDep, SessionDep, known_scope, only_known_parameters, open_session
from api.errors import Problem
from db import analytics
from db.metrics.catalogue import FIGURES, display
from db.metrics.scope import Scope
from db.metrics.window import DEFAULT_SPAN, Window
from db.queries.alerts import AlertRow, list_alerts
from db.vocabulary import AlertState
from notify.channels import Channel, configured
from notify.errors import DeliveryFailed
from notify.message import Message

router = APIRouter(prefix="/api/alerts", tags=["Alerts"], dependencies=[Depends(only_known_parameters)])
_SHOWN = ("success_rate", "runs", "duration_p50", "recovery_p50")


@router.get(
    "", operation_id="list_alerts", response_model=schemas.Alerts, summary="Alerts: firing ones first, then the newest"
)
def alerts(
    request: Request,
    session: SessionDep,
    state: Annotated[list[AlertState] | None, Query(description="Both without it; repeatable")] = None,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    scope = known_scope(session, repo or [])
    found: list[AlertRow] = []
    for each in AlertState.FIRING, AlertState.RESOLVED:
        if (not state or each in state) and len(found) < limit:
            found += list_alerts(session, states=[each], repos=scope.repos, limit=limit - len(found))
    return with_etag(request, schemas.Alerts.model_validate({"items": found}))


@router.post(
    "/test",
    operation_id="send_test_message",
    response_model=schemas.TestResults,
    summary="Send a test message",
    dependencies=[Depends(not_from_other_sites)],
    responses={
        403: {"model": schemas.ProblemDocument, "description": "Sent by a page of another site"},
        409: {"model": schemas.ProblemDocument, "description": "No channel is configured"},
        502: {"model": schemas.TestFailed, "description": "No channel took the message"},
    },
)
def send_test(
    request: Request,
    now: NowDep,
    channel: Annotated[
        list[Literal["slack", "email"]] | None, Query(description="All that are configured without it; repeatable")
    ] = None,
) -> Any:
    """Goes out at once, past the outbox: whoever asks wants to see whether it arrives."""
    settings: Settings = request.app.state.settings
    channels = configured(settings)
    if not channels:
        raise Problem(409, "No channel is configured; set SLACK_WEBHOOK_URL, or SMTP_URL and ALERT_EMAIL_TO.")
    names = list(dict.fromkeys(channel or channels))
    for name in names:
        if name not in channels:
            raise Problem(409, f"The channel {name} is not configured; configured: {', '.join(channels)}.")
    message = _message(request, Window(now - DEFAULT_SPAN, now), settings.app_url)
    results = [_try(channels[name], message) for name in names]
    if not any(result["ok"] for result in results):
        raise Problem(502, "No channel took the message.", more={"results": results})
    return {"results": results}


def _try(channel: Channel, message: Message) -> dict[str, Any]:
    try:
        channel.send(message)
    except DeliveryFailed as error:
        return {"channel": channel.name, "ok": False, "error": str(error)}
    return {"channel": channel.name, "ok": True, "error": None}


def _message(request: Request, window: Window, app_url: str) -> Message:
    """With the figures of the dashboard, so that a person can compare them. Holds no session while it is sent."""
    with open_session(request) as session:
        written = display(analytics.snapshot(session, Scope(), window))
    return Message(
        subject="Pipeline Health: test message",
        headline="This is a test: alerts of Pipeline Health arrive here",
        fields=tuple((f"{FIGURES[name].label}, 30 days", written[name]) for name in _SHOWN),
        links=(("Dashboard", app_url),),
        resolved=True,
    )
