"""Alerts, and the test of their channels."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session

from api import schemas
from api.config import Settings
from api.deps import NowDep, SessionDep, known_scope, only_known_parameters
from api.errors import Problem, answer, bad_parameter
from db import analytics
from db.metrics.catalogue import FIGURES, display
from db.metrics.scope import Scope
from db.metrics.window import DEFAULT_SPAN, Window
from db.queries.alerts import list_alerts
from db.vocabulary import AlertState
from notify.channels import Channel, configured
from notify.errors import DeliveryFailed
from notify.message import Message

router = APIRouter(prefix="/api/alerts", tags=["Alerts"], dependencies=[Depends(only_known_parameters)])
_SHOWN = ("success_rate", "runs", "duration_p50", "recovery_p50")


@router.get("", response_model=schemas.Alerts, summary="Alerts, newest first")
def alerts(
    session: SessionDep,
    state: Annotated[list[AlertState] | None, Query(description="firing or resolved; repeatable")] = None,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    scope = known_scope(session, repo or [])
    return {"items": list_alerts(session, states=state or (), repos=scope.repos, limit=limit)}


@router.post(
    "/test",
    response_model=schemas.TestResults,
    summary="Send a test message",
    responses={
        409: {"model": schemas.ProblemDocument, "description": "No channel is configured"},
        502: {"model": schemas.TestResults, "description": "No channel took the message"},
    },
)
def send_test(
    request: Request,
    session: SessionDep,
    now: NowDep,
    channel: Annotated[
        list[str] | None, Query(description="slack or email; all that are configured without it")
    ] = None,
) -> Any:
    """Goes out at once, past the outbox: whoever asks wants to see whether it arrives."""
    settings: Settings = request.app.state.settings
    channels = configured(settings)
    if not channels:
        raise Problem(409, "No channel is configured; set SLACK_WEBHOOK_URL, or SMTP_URL and ALERT_EMAIL_TO.")
    for name in channel or []:
        if name not in ("slack", "email"):
            raise bad_parameter("channel", f"{name[:40]!r} is not one of slack, email")
        if name not in channels:
            raise Problem(409, f"The channel {name} is not configured; configured: {', '.join(channels)}.")
    message = _message(session, Window(now - DEFAULT_SPAN, now), settings.app_url)
    results = [_try(channels[name], message) for name in channel or channels]
    if not any(result["ok"] for result in results):
        return answer(Problem(502, "No channel took the message.", more={"results": results}))
    return {"results": results}


def _try(channel: Channel, message: Message) -> dict[str, Any]:
    try:
        channel.send(message)
    except DeliveryFailed as error:
        return {"channel": channel.name, "ok": False, "error": str(error)}
    return {"channel": channel.name, "ok": True, "error": None}


def _message(session: Session, window: Window, app_url: str) -> Message:
    written = display(analytics.snapshot(session, Scope(), window))
    return Message(
        subject="Pipeline Health: test message",
        headline="This is a test: alerts of Pipeline Health arrive here",
        fields=tuple((f"{FIGURES[name].label}, 30 days", written[name]) for name in _SHOWN),
        links=(("Dashboard", app_url),),
        resolved=True,
    )
