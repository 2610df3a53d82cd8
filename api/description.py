"""The OpenAPI document: description, tags, and responses that all routes share."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from api.errors import MEDIA_TYPE
from api.schemas import ProblemDocument
from core import VERSION

DESCRIPTION = """\
Health of GitHub Actions pipelines. Figures are the same as on the dashboard and in notifications; docs/metrics.md
defines them. Times are UTC, durations are in seconds, errors are RFC 9457 problem documents.
"""
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ProblemDocument, "description": "Unknown or invalid parameter"},
    429: {
        "model": ProblemDocument,
        "description": "Rate limit exceeded (API_RATE_LIMIT); retry after the time in Retry-After",
    },
    503: {
        "model": ProblemDocument,
        "description": "The database is unavailable, or too many requests are being processed",
    },
}
UNAUTHORIZED_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": ProblemDocument, "description": "API_KEYS is set, and the request has no valid key"},
    **PROBLEM_RESPONSES,
}
# Responses of core.http.middleware and core.http.bodies, which all routes share.
_COMMON_RESPONSES = {"421": "The Host header has an unknown name (ALLOWED_HOSTS)"}
_BODY_RESPONSES = {
    "403": "The request comes from a page of another site",
    "408": "The body did not arrive in time",
    "413": "The body is larger than this route accepts",
    "415": "The body is not JSON",
}
# Accepts forms as well as JSON.
_WEBHOOKS = "/api/webhooks/github"
_METHODS_WITH_BODY = ("post", "put", "patch", "delete")
_TAGS = {
    "Runs": "Runs, their attempts and jobs",
    "Metrics": "Metrics, time series, groups and comparison",
    "Insights": "Flaky workflows, causes of failures, regressions, and items that need attention",
    "Export": "Runs as a file",
    "Logs": "Logs of jobs",
    "Repositories": "Monitored repositories and workflows, with their completeness",
    "Alerts": "Alerts, alerting rules, silences and test messages",
    "Teams": "Teams, what they own, repositories without a team, and weekly digests",
    "Saved views": "Views that users of the dashboard have saved",
    "Badges": "SVG badges for README files",
    "Webhooks": "Receiver of GitHub webhooks",
    "Health": "Health checks for probes and load balancers",
    "Prometheus": "Metrics in the Prometheus text format",
}


TITLE = "Pipeline Health"
LICENSE = {"name": "MIT", "identifier": "MIT"}


def openapi_document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of these routes, with the media type of problem documents for errors."""
    document = get_openapi(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        routes=routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        license_info=LICENSE,
    )
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _add_common(path, method, operation["responses"])
            _set_problem_media_type(operation["responses"])
    return document


def _add_common(path: str, method: str, responses: dict[str, Any]) -> None:
    """Adds the shared responses that the route does not document itself."""
    common = _COMMON_RESPONSES | (_BODY_RESPONSES if method in _METHODS_WITH_BODY else {})
    if path == _WEBHOOKS:
        del common["415"]
    for status, description in common.items():
        schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
        content = {MEDIA_TYPE: {"schema": schema}}
        responses.setdefault(status, {"description": description, "content": content})


def _set_problem_media_type(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content and not _is_health(content["application/json"]):
            content[MEDIA_TYPE] = content.pop("application/json")


def _is_health(content: dict[str, Any]) -> bool:
    """Health checks have the same document with 503 as with 200."""
    return str(content.get("schema", {}).get("$ref", "")).endswith(("/Health", "/Check"))
