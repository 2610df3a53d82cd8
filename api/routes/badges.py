"""SVG badges for README files, in the proportions of shields.io."""

from dataclasses import replace
from datetime import datetime
from html import escape
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from api.deps import NowDep, SessionDep, TeamsDep, reject_unknown_parameters, validate_text
from core.http.headers import etag_matches, etag_of
from db.definitions.scope import DEFAULT_SPAN, Scope, Window
from db.repositories.repository_queries import list_repositories
from health.completeness.service import RepositoryOverview, read_completeness, read_overview
from health.metrics import service
from health.metrics.branch_status import catching_up, workflow_statuses
from health.metrics.definitions.catalogue import display
from health.metrics.definitions.episodes import WorkflowStatus, combined_status
from health.teams.service import narrow

# Widths of Verdana at 11 px, in tenths of a pixel, by class of character. textLength stretches the text to their sum,
# so that the layout does not depend on the installed fonts.
_NARROW, _WIDE, _REGULAR = 42, 98, 69
_NARROW_CHARACTERS = set("ijl.,:;'|!()[]{}It fr/\\-`")
_MAX_LENGTH = 60
PASSING, FAILING, UNKNOWN = "#1f7a3d", "#b3261e", "#6b7280"


def badge(label: str, message: str, color: str) -> str:
    """`label` and `message` are untrusted plain text."""
    label, message = _truncate(label), _truncate(message)
    left, right = _width(label) + 10, _width(message) + 10
    description = escape(f"{label}: {message}")
    texts = _text(label, 5, left - 10) + _text(message, left + 5, right - 10)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{description}">'
        f"<title>{description}</title>"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#3f4651"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{color}"/></g>'
        f'<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>'
    )


def _text(text: str, x: int, width: int) -> str:
    return f'<text x="{x}" y="14" textLength="{width}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def _truncate(text: str) -> str:
    """Replaces characters that XML does not allow."""
    plain = "".join(char if char.isprintable() else " " for char in text).strip() or " "
    return plain if len(plain) <= _MAX_LENGTH else plain[: _MAX_LENGTH - 1] + "…"


def _width(text: str) -> int:
    """In pixels, rounded up."""
    return (sum(_character_width(character) for character in text) + 9) // 10


def _character_width(character: str) -> int:
    if character in _NARROW_CHARACTERS:
        return _NARROW
    return _WIDE if character in "mwMW@%" or ord(character) > 0x2E80 else _REGULAR


router = APIRouter(prefix="/api/badge", tags=["Badges"], dependencies=[Depends(reject_unknown_parameters)])
# Long enough for the many readers of a page, short enough to be true; GitHub's image proxy keeps to it.
_HEADERS = {"Cache-Control": "public, max-age=60", "Content-Security-Policy": "default-src 'none'; style-src 'none'"}
_BADGES = {
    WorkflowStatus.FAILING: ("failing", FAILING),
    WorkflowStatus.PASSING: ("passing", PASSING),
    WorkflowStatus.NO_RUNS: ("no runs", UNKNOWN),
    WorkflowStatus.DISABLED: ("disabled", UNKNOWN),
    WorkflowStatus.DELETED: ("deleted", UNKNOWN),
    WorkflowStatus.ARCHIVED: ("archived", UNKNOWN),
    WorkflowStatus.CATCHING_UP: ("catching up", UNKNOWN),
}


@router.get(
    "/{owner}/{name}.svg",
    response_class=Response,
    operation_id="get_badge",
    summary="Get a badge with the health of the default branch",
    responses={
        200: {"content": {"image/svg+xml": {"schema": {"type": "string"}, "example": "<svg …>…</svg>"}}},
        404: {
            "description": "The repository is not monitored; the body is a badge with the text `unknown`",
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
        },
    },
)
def get_badge(
    request: Request,
    session: SessionDep,
    now: NowDep,
    teams: TeamsDep,
    owner: Annotated[str, Path(max_length=100, examples=["acme"])],
    name: Annotated[str, Path(max_length=200, examples=["web-app"])],
    workflow: Annotated[
        str | None, Query(max_length=300, description="Name or id of a workflow; default: all workflows")
    ] = None,
    label: Annotated[str | None, Query(max_length=100, description="Text of the left half")] = None,
    show: Annotated[
        Literal["state", "success_rate"],
        Query(description="Current state, or success rate over the last 30 days"),
    ] = "state",
) -> Response:
    """Requires no key, so that a badge can be embedded anywhere. `failing`: the latest completed run of a workflow on
    the default branch failed; `no runs`: no completed run there in the last 90 days; `disabled`, `deleted`, `archived`:
    the workflow cannot run; `catching up`: runs are still being collected, and no collected run failed. A badge is
    green only if all runs from the last 90 days are collected. With `team`: of the workflows that the team owns."""
    name_or_id, text = validate_text("workflow", workflow or ""), validate_text("label", label or "")
    known = {row.repo.lower(): row for row in list_repositories(session)}
    repo = known.get(f"{owner}/{name}".lower())
    left = text or name_or_id or "pipeline health"
    if repo is None:
        return Response(badge(left, "unknown", UNKNOWN), 404, _HEADERS, "image/svg+xml")
    scope = Scope(repos=(repo.repo,), workflows=(name_or_id,) if name_or_id else ())
    scope = narrow(session, scope, teams) if teams else scope
    overview = read_overview(session)
    incomplete = bool(catching_up(session, [repo.id], now, overview))
    shown = (
        _rate(session, scope, repo.default_branch, now, overview, incomplete=incomplete)
        if show == "success_rate"
        else _state(session, scope, now, overview, incomplete=incomplete)
    )
    body = badge(left, *shown)
    tag = etag_of(body.encode())
    headers = {**_HEADERS, "ETag": f'W/"{tag}"'}
    if etag_matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "image/svg+xml")


def _state(
    session: Session, scope: Scope, now: datetime, overview: RepositoryOverview, *, incomplete: bool
) -> tuple[str, str]:
    """Text and colour. `incomplete`: runs of the repository are still being collected."""
    states = [workflow.status for workflow in workflow_statuses(session, scope, now, overview).values()]
    failing = states.count(WorkflowStatus.FAILING)
    if failing > 1:
        return f"{failing} failing", FAILING
    return _BADGES[combined_status(states, catching_up=incomplete)]


def _rate(
    session: Session, scope: Scope, branch: str, now: datetime, overview: RepositoryOverview, *, incomplete: bool
) -> tuple[str, str]:
    """Text and colour for the success rate on the default branch."""
    on_branch = replace(scope, branches=(branch,), own_branches=True)
    window = Window(now - DEFAULT_SPAN, now)
    completeness = read_completeness(session, on_branch, window, overview)
    metrics = service.snapshot(session, on_branch, window, commits=False, completeness=completeness)
    if metrics.success_rate is None:
        return ("catching up" if incomplete else "no runs"), UNKNOWN
    rate = display(metrics)["success_rate"]
    if incomplete:
        return f"{rate} so far", UNKNOWN
    return rate, PASSING if metrics.success_rate >= 0.9 else FAILING
