"""The names that the command palette finds: `/palette.json?q=web ci`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import routes as at
from app.data.connection import FailedOver
from app.data.names import Names, search_names
from app.data.outages import Unavailable
from app.filters.url_state import TEAM_KEY, VIEW_KEY
from app.status_style import colour_group, outcome_label
from app.widgets.cells import address
from app.widgets.text import truncate
from core.text import printable
from db.repositories.repository_queries import WorkflowRow
from db.runs.run_queries import RunRow
from db.saved_views import ViewRow

_MAX_QUERY_LENGTH = 200
_HEADERS = {"cache-control": "no-store"}
# Marks a URL that names all filters: those of other pages do not apply.
_ONLY = (VIEW_KEY, "")
Entry = dict[str, Any]


def palette_response(request: Request) -> Response:
    """Errors are one line in `detail`."""
    query = request.query_params.get("q", "")
    if len(query) > _MAX_QUERY_LENGTH:
        detail = f"q: expected at most {_MAX_QUERY_LENGTH} characters; got {len(query)}."
        return JSONResponse({"detail": detail}, 422, _HEADERS)
    try:
        return JSONResponse({"entries": _entries(search_names(query))}, headers=_HEADERS)
    except FailedOver:
        return palette_response(request)
    except Unavailable as error:
        return JSONResponse({"detail": str(error)}, 503, _HEADERS)


def _entries(names: Names) -> list[Entry]:
    return [
        *(_view(view) for view in names.views),
        *({"kind": "team", "label": team, "address": _overview(TEAM_KEY, team)} for team in names.teams),
        *({"kind": "repository", "label": repo, "address": _overview("repo", repo)} for repo in names.repos),
        *(_workflow(workflow) for workflow in names.workflows),
        *(
            {"kind": "branch", "label": printable(branch), "address": address(at.RUNS, [("branch", branch), _ONLY])}
            for branch in names.branches
        ),
        *(_run(run) for run in names.runs),
    ]


def _view(view: ViewRow) -> Entry:
    detail = " · ".join(part for part in (view.description, view.owner) if part)
    return {"kind": "view", "label": view.name, "detail": detail, "address": view.link}


def _overview(key: str, name: str) -> str:
    return address(at.OVERVIEW, [(key, name), _ONLY])


def _workflow(workflow: WorkflowRow) -> Entry:
    label = f"{workflow.repo} / {printable(workflow.name)}"
    # A workflow that is disabled or deleted on GitHub.
    detail = {} if workflow.state == "active" else {"detail": workflow.state.replace("_", " ")}
    return {"kind": "workflow", "label": label, "address": address(at.WORKFLOW, [("id", workflow.id), _ONLY])} | detail


def _run(run: RunRow) -> Entry:
    """The label contains what a query for a run names: its repository, workflow and number."""
    state = run.conclusion or run.status
    return {
        "kind": "run",
        "label": f"{run.repo} / {printable(run.workflow)} #{run.run_number}",
        "detail": truncate(printable(run.headline)),
        "keywords": f"{run.head_sha} {run.id}",
        "sign": outcome_label(state).partition(" ")[0],
        "tone": colour_group(state),
        "address": address(at.RUN, [("run_id", run.id)]),
    }
