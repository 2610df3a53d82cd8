"""Alerting rules and their backtest."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy.orm import Session

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, SessionDep, not_found, reject_unknown_parameters, team_keys, validate_id, write_session
from api.errors import Problem, bad_parameter
from core.roles import Role
from health.alerts.channels.definitions import CHANNEL_NAMES
from health.alerts.measurement.backtest import backtest
from health.alerts.rules.rules import InvalidRule, Rule
from health.alerts.storage.stored_rules import (
    BuiltInRuleError,
    add_rule,
    delete_rule,
    get_rule,
    list_rules,
    update_rule,
)

router = APIRouter(prefix="/api/alerts/rules", tags=["Alerts"], dependencies=[Depends(reject_unknown_parameters)])
RuleId = Annotated[int, Path(examples=[3])]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    403: {
        "model": schemas.ProblemDocument,
        "description": "The request comes from a page of another site, or its key has a lower scope",
    },
    404: {"model": schemas.ProblemDocument, "description": "Unknown rule"},
    409: {
        "model": schemas.ProblemDocument,
        "description": "ALERT_THRESHOLD defines the built-in rule, and the request changes it",
    },
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: _PROBLEMS[404]}


@router.get("", operation_id="list_rules", response_model=schemas.Rules, summary="List alerting rules")
def rules(session: SessionDep) -> schemas.Rules:
    """The built-in rule first."""
    return schemas.Rules(items=[schemas.Rule.from_rule(rule) for rule in list_rules(session)])


@router.post(
    "",
    operation_id="add_rule",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.Rule,
    status_code=201,
    summary="Add an alerting rule",
    responses={403: _PROBLEMS[403]},
)
def add(request: Request, now: NowDep, actor: ActorDep, body: schemas.RuleBody) -> schemas.Rule:
    """The collector evaluates it within 30 seconds."""
    with write_session(request) as session:
        return _rule_response(get_rule(session, add_rule(session, _parse_rule(session, body), now, actor=actor)))


@router.post("/replay", operation_id="replay_rule", response_model=schemas.Replay, summary="Replay an alerting rule")
def replay_rule(session: SessionDep, now: NowDep, body: schemas.RuleBody) -> schemas.Replay:
    """Returns the alerts that the rule would have opened in the last 30 days, from the stored runs. Nothing is saved.
    Takes seconds for very many runs."""
    return schemas.Replay.from_backtest(body.kind, backtest(session, _parse_rule(session, body), now))


@router.get(
    "/{rule_id}",
    operation_id="get_rule",
    response_model=schemas.Rule,
    summary="Get an alerting rule",
    responses=_NOT_FOUND,
)
def rule(session: SessionDep, rule_id: RuleId) -> schemas.Rule:
    return _rule_response(get_rule(session, validate_id(rule_id)), rule_id)


@router.put(
    "/{rule_id}",
    operation_id="change_rule",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.Rule,
    summary="Replace an alerting rule",
    responses=_PROBLEMS,
)
def change(request: Request, now: NowDep, actor: ActorDep, rule_id: RuleId, body: schemas.RuleBody) -> schemas.Rule:
    """Fields that are left out get their defaults. Only `severity`, `channels`, `repeat_seconds` and `enabled` of the
    built-in rule can change; its other fields must have their current values."""
    with write_session(request) as session:
        try:
            changed = update_rule(session, validate_id(rule_id), _parse_rule(session, body), now, actor=actor)
        except BuiltInRuleError as error:
            raise Problem(409, str(error)) from None
        return _rule_response(get_rule(session, validate_id(rule_id)) if changed else None, rule_id)


@router.delete(
    "/{rule_id}",
    operation_id="delete_rule",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.Rule,
    summary="Delete an alerting rule",
    responses=_PROBLEMS,
)
def delete(request: Request, now: NowDep, actor: ActorDep, rule_id: RuleId) -> schemas.Rule:
    """Returns the deleted rule. Its alerts stay in the history; firing alerts are resolved without a notification."""
    with write_session(request) as session:
        deleted = get_rule(session, validate_id(rule_id))
        try:
            delete_rule(session, validate_id(rule_id), now, actor=actor)
        except BuiltInRuleError as error:
            raise Problem(409, str(error)) from None
        return _rule_response(deleted, rule_id)


def _parse_rule(session: Session, body: schemas.RuleBody) -> Rule:
    team_keys(session, "teams", body.teams)
    for name in body.channels:
        if name not in CHANNEL_NAMES:
            raise bad_parameter("channels", f"{name[:40]!r} is not one of {', '.join(CHANNEL_NAMES)}")
    try:
        return body.to_rule()
    except InvalidRule as error:
        raise bad_parameter(error.field, str(error)) from None


def _rule_response(row: Rule | None, rule_id: int = 0) -> schemas.Rule:
    """Raises a 404 problem if `row` is null."""
    if row is None:
        raise not_found(f"rule {rule_id}")
    return schemas.Rule.from_rule(row)
