"""Rules of alerts: what they are, and what they would have done."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from api import schemas
from api.deps import NowDep, SessionDep, not_found, reject_unknown_parameters, validate_id, write_session
from api.errors import Problem, bad_parameter
from health.alerts.channels.registry import CHANNEL_NAMES
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
    403: {"model": schemas.ProblemDocument, "description": "Sent by a page of another site"},
    404: {"model": schemas.ProblemDocument, "description": "There is no such rule"},
    409: {"model": schemas.ProblemDocument, "description": "The built-in rule is what ALERT_THRESHOLD says"},
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: _PROBLEMS[404]}


@router.get("", operation_id="list_rules", response_model=schemas.Rules, summary="Rules, the built-in one first")
def rules(session: SessionDep) -> Any:
    return {"items": [schemas.rule_fields(each) for each in list_rules(session)]}


@router.post(
    "",
    operation_id="add_rule",
    response_model=schemas.Rule,
    status_code=201,
    summary="Add a rule",
    responses={403: _PROBLEMS[403]},
)
def add(request: Request, now: NowDep, body: schemas.RuleBody) -> Any:
    """It is looked at within half a minute."""
    with write_session(request) as session:
        return _rule_response(get_rule(session, add_rule(session, _parse_rule(body), now)))


@router.post(
    "/replay", operation_id="replay_rule", response_model=schemas.Replay, summary="What a rule would have done"
)
def replay_rule(session: SessionDep, now: NowDep, body: schemas.RuleBody) -> Any:
    """Over the stored runs of the last 30 days; nothing is saved. Takes seconds where there are very many."""
    return schemas.replay_fields(body.kind, backtest(session, _parse_rule(body), now))


@router.get(
    "/{rule_id}", operation_id="get_rule", response_model=schemas.Rule, summary="One rule", responses=_NOT_FOUND
)
def rule(session: SessionDep, rule_id: RuleId) -> Any:
    return _rule_response(get_rule(session, validate_id(rule_id)), rule_id)


@router.put(
    "/{rule_id}", operation_id="change_rule", response_model=schemas.Rule, summary="Change a rule",
    responses=_PROBLEMS,
)  # fmt: skip
def change(request: Request, now: NowDep, rule_id: RuleId, body: schemas.RuleBody) -> Any:
    """All of it: what is left out becomes the usual value. Of the built-in rule `severity`, `channels`,
    `repeat_seconds` and `enabled` can be changed; the rest must be as it is."""
    with write_session(request) as session:
        try:
            changed = update_rule(session, validate_id(rule_id), _parse_rule(body), now)
        except BuiltInRuleError as error:
            raise Problem(409, str(error)) from None
        return _rule_response(get_rule(session, validate_id(rule_id)) if changed else None, rule_id)


@router.delete(
    "/{rule_id}", operation_id="delete_rule", response_model=schemas.Rule, summary="Delete a rule",
    responses=_PROBLEMS,
)  # fmt: skip
def delete(request: Request, now: NowDep, rule_id: RuleId) -> Any:
    """Answers what it was. Its alerts stay as history; what still fires is closed without a message."""
    with write_session(request) as session:
        was = get_rule(session, validate_id(rule_id))
        try:
            delete_rule(session, validate_id(rule_id), now)
        except BuiltInRuleError as error:
            raise Problem(409, str(error)) from None
        return _rule_response(was, rule_id)


def _parse_rule(body: schemas.RuleBody) -> Rule:
    for name in body.channels:
        if name not in CHANNEL_NAMES:
            raise bad_parameter("channels", f"{name[:40]!r} is not one of {', '.join(CHANNEL_NAMES)}")
    try:
        return body.to_rule()
    except InvalidRule as error:
        raise bad_parameter(error.field, str(error)) from None


def _rule_response(row: Rule | None, rule_id: int = 0) -> dict[str, Any]:
    if row is None:
        raise not_found(f"rule {rule_id}")
    return schemas.rule_fields(row)
