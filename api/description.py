"""What /openapi.json says beyond the routes themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.errors import MEDIA_TYPE
from api.schemas import ProblemDocument

DESCRIPTION = """\
Health of GitHub Actions pipelines. Every figure is the one that the dashboard and the messages show; what each
means stands in docs/metrics.md. Times are UTC, durations are seconds, errors are RFC 9457 problem documents.
"""
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ProblemDocument, "description": "A parameter is unknown or cannot be used"},
    429: {
        "model": ProblemDocument,
        "description": "More requests than API_RATE_LIMIT; wait for Retry-After",
    },
    503: {"model": ProblemDocument, "description": "The database cannot be used now, or too much is under way"},
}
UNAUTHORIZED_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": ProblemDocument, "description": "API_KEYS is set and no key was sent"},
    **PROBLEM_RESPONSES,
}
# What the layers around all routes answer, whatever the route: core.http.middleware and core.http.bodies.
_COMMON_RESPONSES = {"421": "The request is addressed to a host name that is not this API's: ALLOWED_HOSTS"}
_BODY_RESPONSES = {
    "403": "Sent by a page of another site",
    "408": "The body did not come in time",
    "413": "The body is larger than this route accepts",
    "415": "The body is not JSON",
}
# Takes forms as well as JSON.
_WEBHOOKS = "/api/webhooks/github"
_METHODS_WITH_BODY = ("post", "put", "patch", "delete")
_TAGS = {
    "Runs": "Runs, their attempts and jobs",
    "Metrics": "Figures of a filter, over time and by group",
    "Insights": "What is flaky, why runs fail, what got worse, and what needs a person now",
    "Export": "All runs of a filter as a file",
    "Logs": "What jobs printed",
    "Repositories": "What is monitored, and how complete it is",
    "Alerts": "Alerts, their rules and silences, and the test of their channels",
    "Badges": "Images for README files",
    "Webhooks": "What GitHub sends",
    "Health": "For probes and load balancers",
    "Prometheus": "For Prometheus",
}


def install_openapi(app: FastAPI) -> None:
    """Makes the document once; errors are problem documents by their true media type."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            tags = [{"name": name, "description": text} for name, text in _TAGS.items()]
            made = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=tags,
                license_info=app.license_info,
            )  # fmt: skip
            for path, methods in made["paths"].items():
                for method, operation in methods.items():
                    _add_common(path, method, operation["responses"])
                    _set_problem_media_type(operation["responses"])
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _add_common(path: str, method: str, responses: dict[str, Any]) -> None:
    """Where the route itself does not say more."""
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
    """A probe's 503 is the same document as its 200."""
    return str(content.get("schema", {}).get("$ref", "")).endswith(("/Health", "/Check"))
