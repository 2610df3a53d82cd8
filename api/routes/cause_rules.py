"""Own rules for failure causes and their preview."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from api import schemas
from api.auth import ActorDep, requires
from api.deps import NowDep, SessionDep, not_found, reject_unknown_parameters, validate_id, write_session
from api.errors import Problem, bad_parameter
from core.roles import Role
from health.insights.causes.preview import DEFAULT_DAYS, MAX_DAYS, preview_rule
from health.insights.causes.rules import CauseRule, InvalidCauseRule
from health.insights.causes.stored_rules import (
    TooManyRules,
    add_rule,
    delete_rule,
    get_rule,
    list_rules,
    update_rule,
)

router = APIRouter(prefix="/api/cause-rules", tags=["Insights"], dependencies=[Depends(reject_unknown_parameters)])
RuleId = Annotated[int, Path(examples=[3])]
_FORBIDDEN: dict[str, Any] = {
    "model": schemas.ProblemDocument,
    "description": "The request comes from a page of another site, or its key has a lower scope",
}
_UNKNOWN: dict[str, Any] = {"model": schemas.ProblemDocument, "description": "Unknown rule"}
_FIELDS = {"repositories": "repos"}


@router.get(
    "", operation_id="list_cause_rules", response_model=schemas.CauseRules, summary="List rules for failure causes"
)
def cause_rules(session: SessionDep) -> schemas.CauseRules:
    """The oldest first: in this order they are tried, and the first that matches names the cause."""
    return schemas.CauseRules(items=[schemas.CauseRule.from_rule(rule) for rule in list_rules(session)])


@router.post(
    "",
    operation_id="add_cause_rule",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.CauseRule,
    status_code=201,
    summary="Add a rule for failure causes",
    responses={403: _FORBIDDEN, 409: {"model": schemas.ProblemDocument, "description": "There are 100 rules already"}},
)
def add(request: Request, now: NowDep, actor: ActorDep, body: schemas.NewCauseRule) -> schemas.CauseRule:
    """Applies to new logs at once. The collector applies it to the stored failures in the background; then
    `applied_at` is set."""
    rule = _parse_rule(body)
    with write_session(request) as session:
        try:
            rule_id = add_rule(session, rule, now, by=body.author, actor=actor)
        except TooManyRules as error:
            raise Problem(409, str(error)) from None
        return _rule_response(get_rule(session, rule_id), rule_id)


@router.post(
    "/preview",
    operation_id="preview_cause_rule",
    response_model=schemas.CausePreview,
    summary="Preview a rule for failure causes",
    responses={404: _UNKNOWN},
)
def preview(
    session: SessionDep,
    now: NowDep,
    body: schemas.CauseRuleBody,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="Days up to now, by the creation of runs")] = (
        DEFAULT_DAYS
    ),
    rule_id: Annotated[int | None, Query(description="The stored rule that the previewed one would replace")] = None,
) -> schemas.CausePreview:
    """The stored failures that the rule would match, newest first, and their causes now. Nothing is saved. Logs are
    read for at most 2.5 s; `partial` is true if that was not enough."""
    if rule_id is not None and get_rule(session, validate_id(rule_id)) is None:
        raise not_found(f"rule {rule_id}")
    rule = _parse_rule(body, rule_id)
    return schemas.CausePreview.from_preview(preview_rule(session, rule, now, days=days))


@router.put(
    "/{rule_id}",
    operation_id="change_cause_rule",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.CauseRule,
    summary="Replace a rule for failure causes",
    responses={403: _FORBIDDEN, 404: _UNKNOWN},
)
def change(
    request: Request, now: NowDep, actor: ActorDep, rule_id: RuleId, body: schemas.CauseRuleBody
) -> schemas.CauseRule:
    """Fields that are left out get their defaults. The identifier of its causes and their triage stay."""
    rule = _parse_rule(body)
    with write_session(request) as session:
        changed = update_rule(session, validate_id(rule_id), rule, now, actor=actor)
        return _rule_response(get_rule(session, validate_id(rule_id)) if changed else None, rule_id)


@router.delete(
    "/{rule_id}",
    operation_id="delete_cause_rule",
    dependencies=[requires(Role.ADMIN)],
    response_model=schemas.CauseRule,
    summary="Delete a rule for failure causes",
    responses={403: _FORBIDDEN, 404: _UNKNOWN},
)
def delete(request: Request, now: NowDep, actor: ActorDep, rule_id: RuleId) -> schemas.CauseRule:
    """Returns the deleted rule. The collector restores the causes that it replaced, as far as logs or excerpts are
    stored."""
    with write_session(request) as session:
        deleted = get_rule(session, validate_id(rule_id))
        delete_rule(session, validate_id(rule_id), now, actor=actor)
        return _rule_response(deleted, rule_id)


def _parse_rule(body: schemas.CauseRuleBody, rule_id: int | None = None) -> CauseRule:
    try:
        return body.to_rule(rule_id)
    except InvalidCauseRule as error:
        raise bad_parameter(_FIELDS.get(error.field, error.field), str(error)) from None


def _rule_response(rule: CauseRule | None, rule_id: int) -> schemas.CauseRule:
    """Raises a 404 problem if there is no rule."""
    if rule is None:
        raise not_found(f"rule {rule_id}")
    return schemas.CauseRule.from_rule(rule)
