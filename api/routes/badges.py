"""Badges for README files."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from api.badge import FAILING, PASSING, UNKNOWN, badge
from api.cache import has, tag_of
from api.deps import NowDep, SessionDep, only_known_parameters, plain_text
from db import analytics
from db.metrics.catalogue import display
from db.metrics.scope import Scope
from db.metrics.standing import Standing, together
from db.metrics.window import DEFAULT_SPAN, Window
from db.queries.repositories import list_repositories
from db.queries.standings import catching_up, standings

router = APIRouter(prefix="/api/badge", tags=["Badges"], dependencies=[Depends(only_known_parameters)])
# Long enough for the many readers of a page, short enough to be true; GitHub's image proxy keeps to it.
_HEADERS = {"Cache-Control": "public, max-age=60", "Content-Security-Policy": "default-src 'none'; style-src 'none'"}
_WORDS = {
    Standing.FAILING: ("failing", FAILING),
    Standing.PASSING: ("passing", PASSING),
    Standing.NO_RUNS: ("no runs", UNKNOWN),
    Standing.DISABLED: ("disabled", UNKNOWN),
    Standing.DELETED: ("deleted", UNKNOWN),
    Standing.ARCHIVED: ("archived", UNKNOWN),
    Standing.CATCHING_UP: ("catching up", UNKNOWN),
}


@router.get(
    "/{owner}/{name}.svg",
    response_class=Response,
    operation_id="get_badge",
    summary="A badge of the default branch's health",
    responses={
        200: {"content": {"image/svg+xml": {"schema": {"type": "string"}, "example": "<svg …>…</svg>"}}},
        404: {
            "description": "Such a repository is not monitored; the image says so too",
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
        },
    },
)
def get_badge(
    request: Request,
    session: SessionDep,
    now: NowDep,
    owner: Annotated[str, Path(max_length=100, examples=["acme"])],
    name: Annotated[str, Path(max_length=200, examples=["web-app"])],
    workflow: Annotated[str | None, Query(max_length=300, description="A name or an id; all without it")] = None,
    label: Annotated[str | None, Query(max_length=100, description="Text of the left half")] = None,
    show: Annotated[
        Literal["state", "success_rate"],
        Query(description="The state now, or the success rate of 30 days there"),
    ] = "state",
) -> Response:
    """Needs no key, so that it can be shown anywhere. `failing`: the last decided run of a workflow on the default
    branch failed; `no runs`: none was decided there in the last 90 days; `disabled`, `deleted`, `archived`: the
    workflow cannot run; `catching up`: runs are still being read, and none read so far failed. A badge is green only
    when all runs of the last 90 days have been read."""
    wanted, text = plain_text("workflow", workflow or ""), plain_text("label", label or "")
    known = {row.repo.lower(): row for row in list_repositories(session)}
    repo = known.get(f"{owner}/{name}".lower())
    left = text or wanted or "pipeline health"
    if repo is None:
        return Response(badge(left, "unknown", UNKNOWN), 404, _HEADERS, "image/svg+xml")
    scope = Scope(repos=(repo.repo,), workflows=(wanted,) if wanted else ())
    incomplete = bool(catching_up(session, [repo.id], now))
    shown = (
        _rate(session, scope, repo.default_branch, now, incomplete=incomplete)
        if show == "success_rate"
        else _state(session, scope, now, incomplete=incomplete)
    )
    body = badge(left, *shown)
    tag = tag_of(body.encode())
    headers = {**_HEADERS, "ETag": f'W/"{tag}"'}
    if has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "image/svg+xml")


def _state(session: Session, scope: Scope, now: datetime, *, incomplete: bool) -> tuple[str, str]:
    """The words and the colour. `incomplete`: runs of the repository are still being read."""
    states = [each.standing for each in standings(session, scope, now).values()]
    failing = states.count(Standing.FAILING)
    if failing > 1:
        return f"{failing} failing", FAILING
    return _WORDS[together(states, catching_up=incomplete)]


def _rate(session: Session, scope: Scope, branch: str, now: datetime, *, incomplete: bool) -> tuple[str, str]:
    """As _state, of the success rate on the default branch."""
    on_branch = replace(scope, branches=(branch,), own_branches=True)
    metrics = analytics.snapshot(session, on_branch, Window(now - DEFAULT_SPAN, now), commits=False)
    if metrics.success_rate is None:
        return ("catching up" if incomplete else "no runs"), UNKNOWN
    rate = display(metrics)["success_rate"]
    if incomplete:
        return f"{rate} so far", UNKNOWN
    return rate, PASSING if metrics.success_rate >= 0.9 else FAILING
