"""Changes of alerts: acknowledgement, assignee, and changes of several alerts at once."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, not_found, reject_unknown_parameters, validate_id, write_session
from api.errors import Problem, bad_parameter
from core.roles import Role
from db.audit import Actor
from db.enums import ActorKind
from health.alerts.storage.alert_queries import AlertRow, get_alert
from health.alerts.storage.alert_writes import acknowledge, assign, unacknowledge
from health.alerts.storage.bulk_actions import acknowledge_all, silence_all

router = APIRouter(
    prefix="/api/alerts",
    tags=["Alerts"],
    dependencies=[Depends(reject_unknown_parameters), requires(Role.EDITOR)],
)
AlertId = Annotated[int, Path(examples=[12])]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    403: {
        "model": schemas.ProblemDocument,
        "description": "The request comes from a page of another site, or its key has a lower scope",
    },
    404: {"model": schemas.ProblemDocument, "description": "Unknown alert"},
}
_RESOLVED = {"model": schemas.ProblemDocument, "description": "The alert is resolved"}


@router.post(
    "/{alert_id}/acknowledge",
    operation_id="acknowledge_alert",
    response_model=schemas.Alert,
    summary="Acknowledge an alert",
    responses={**_PROBLEMS, 409: _RESOLVED},
)
def acknowledge_alert(
    request: Request, now: NowDep, actor: ActorDep, alert_id: AlertId, body: schemas.Acknowledgement | None = None
) -> schemas.Alert:
    """Stops repeated notifications; the recovery is still notified. A later acknowledgement replaces an earlier one."""
    given = body or schemas.Acknowledgement(by=None)
    with write_session(request) as session:
        firing = acknowledge(session, validate_id(alert_id), _name(given.by, actor), given.comment, now, actor=actor)
        alert = _response(get_alert(session, validate_id(alert_id), now), alert_id)
    if not firing:
        raise Problem(409, f"Alert {alert_id} is resolved.")
    return alert


@router.delete(
    "/{alert_id}/acknowledge",
    operation_id="unacknowledge_alert",
    response_model=schemas.Alert,
    summary="Take back an acknowledgement",
    responses={
        **_PROBLEMS,
        409: {"model": schemas.ProblemDocument, "description": "The alert is resolved or not acknowledged"},
    },
)
def unacknowledge_alert(request: Request, now: NowDep, actor: ActorDep, alert_id: AlertId) -> schemas.Alert:
    """Repeated notifications start again."""
    with write_session(request) as session:
        changed = unacknowledge(session, validate_id(alert_id), now, actor=actor)
        row = get_alert(session, validate_id(alert_id), now)
        alert = _response(row, alert_id)
    if not changed:
        state = "is resolved" if alert.resolved_at else "is not acknowledged"
        raise Problem(409, f"Alert {alert_id} {state}.")
    return alert


@router.put(
    "/{alert_id}/assignee",
    operation_id="assign_alert",
    response_model=schemas.Alert,
    summary="Assign an alert",
    responses=_PROBLEMS,
)
def assign_alert(
    request: Request, now: NowDep, actor: ActorDep, alert_id: AlertId, body: schemas.Assignment
) -> schemas.Alert:
    """Replaces an earlier assignee. Resolved alerts can be assigned, too."""
    return _assign(request, now, actor, alert_id, body.assignee)


@router.delete(
    "/{alert_id}/assignee",
    operation_id="unassign_alert",
    response_model=schemas.Alert,
    summary="Remove the assignee of an alert",
    responses=_PROBLEMS,
)
def unassign_alert(request: Request, now: NowDep, actor: ActorDep, alert_id: AlertId) -> schemas.Alert:
    """An alert without an assignee is no error."""
    return _assign(request, now, actor, alert_id, None)


def _assign(request: Request, now: NowDep, actor: Actor, alert_id: int, assignee: str | None) -> schemas.Alert:
    with write_session(request) as session:
        assign(session, validate_id(alert_id), assignee, now, actor=actor)
        return _response(get_alert(session, validate_id(alert_id), now), alert_id)


@router.post(
    "/bulk",
    operation_id="change_alerts",
    response_model=schemas.BulkResults,
    summary="Acknowledge or silence several alerts",
    responses={403: _PROBLEMS[403]},
)
def change_alerts(request: Request, now: NowDep, actor: ActorDep, body: schemas.BulkAction) -> schemas.BulkResults:
    """One transaction. Alerts that do not exist or are resolved have an error in the result; the others are changed.
    `silence` adds one silence for each target, from now, for the rule of the alert or, with `all_rules`, for all
    rules."""
    ids, by = [validate_id(alert_id) for alert_id in body.ids], _name(body.by, actor)
    if (body.duration_seconds is None) == (body.action == "silence"):
        raise bad_parameter("duration_seconds", "is required for the action silence, and not allowed for acknowledge")
    with write_session(request) as session:
        if body.duration_seconds is None:
            results = acknowledge_all(session, ids, by, body.comment, now, actor=actor)
        else:
            ends_at = now + timedelta(seconds=body.duration_seconds)
            results = silence_all(
                session, ids, ends_at, now, comment=body.comment, author=by, actor=actor, all_rules=body.all_rules
            )
    return schemas.BulkResults(items=[schemas.BulkResult.from_row(result, id=result.alert_id) for result in results])


def _name(given: str | None, actor: Actor) -> str:
    """The name that lists show: the given one, else that of the key."""
    return given or ("API" if actor.kind is ActorKind.ANONYMOUS else actor.name)


def _response(row: AlertRow | None, alert_id: int) -> schemas.Alert:
    """Raises a 404 problem if `row` is null."""
    if row is None:
        raise not_found(f"alert {alert_id}")
    return schemas.Alert.from_alert(row)
