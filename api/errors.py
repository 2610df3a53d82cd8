"""Exceptions as RFC 9457 problem documents."""

import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.schema_guard import DATABASE_UNAVAILABLE, SchemaGuard
from db.engine import DatabaseUnavailable, describe_failure, is_locked
from db.migrate import NotMigrated
from db.replica import is_replica_failure

log = logging.getLogger(__name__)
# FastAPI's message for a body that is not UTF-8.
_UNPARSABLE = "There was an error parsing the body"
MEDIA_TYPE = "application/problem+json"
# In the state of a request that ReplicaRetryMiddleware repeats.
RETRY_ON_PRIMARY = "retry_on_primary"


@dataclass
class Problem(Exception):
    """An error response. `errors` lists invalid parameters: [{"parameter": …, "message": …}]. `extra` are further
    members of the document."""

    status: int
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def bad_parameter(parameter: str, message: str) -> Problem:
    return Problem(422, f"{parameter}: {message}", [{"parameter": parameter, "message": message}])


def problem_response(problem: Problem) -> JSONResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Problem, lambda _, error: problem_response(error))
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(
        DatabaseUnavailable, lambda request, error: problem_response(_database_unavailable(request, str(error)))
    )
    app.add_exception_handler(NotMigrated, lambda _, error: problem_response(unavailable(str(error))))
    app.add_exception_handler(SQLAlchemyError, _on_database_error)


def unavailable(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": "5"})


def _database_unavailable(request: Request, detail: str) -> Problem:
    """`detail` has the address of the database, which badges must not reveal: they require no key."""
    return unavailable(DATABASE_UNAVAILABLE if request.url.path.startswith("/api/badge/") else detail)


def internal_error(request_id: str, method: str, path: str, error: Exception) -> JSONResponse:
    """Logs the exception; the response has only the request id."""
    log.error("request %s: %s %s failed", request_id, method, path, exc_info=error)
    return problem_response(Problem(500, f"Internal error; the log has the details under request id {request_id}."))


def _on_validation_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [_parameter_error(item) for item in error.errors()]
    detail = "; ".join(f"{item['parameter']}: {item['message']}" for item in errors)
    return problem_response(Problem(422, detail, errors))


def _parameter_error(item: dict[str, Any]) -> dict[str, str]:
    """`item`: an error of Pydantic. Its location begins with the part of the request."""
    location, message = item["loc"], str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "json_invalid":
        # The location is that of the character, from 0.
        return {"parameter": "body", "message": f"invalid JSON at character {location[-1]}: {item['ctx']['error']}"}
    if item["type"].startswith("datetime_"):
        message = "not a time; write 2026-01-31T08:00:00Z"
    return {"parameter": str(location[1] if len(location) > 1 else location[0]), "message": message}


def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    detail = str(error.detail)
    if error.status_code == 400 and detail == _UNPARSABLE:
        return problem_response(bad_parameter("body", "it cannot be read as JSON in UTF-8"))
    if error.status_code == 404 and detail == "Not Found":
        detail = f"There is no {request.url.path}; /docs lists all routes."
    return problem_response(Problem(error.status_code, detail, headers=dict(error.headers or {})))


def _overload_detail(error: SQLAlchemyError) -> str | None:
    """The message for a database that works but is busy; null for other errors."""
    if isinstance(error, PoolTimeoutError):
        return "All connections to the database are in use; try again in a moment."
    return "Another program is writing to the database; try again in a moment." if is_locked(error) else None


def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    """A failed statement: the database is unavailable, not migrated or busy, or the statement is wrong."""
    if is_replica_failure(error):
        request.scope.setdefault("state", {})[RETRY_ON_PRIMARY] = True
        return problem_response(unavailable("The replica of the database aborted the query; send the request again."))
    schema_guard: SchemaGuard = request.app.state.schema_guard
    schema_guard.invalidate()
    try:
        schema_guard.check()
    except DatabaseUnavailable as reason:
        return problem_response(_database_unavailable(request, str(reason)))
    except NotMigrated as reason:
        return problem_response(unavailable(str(reason)))
    if isinstance(error, SQLAlchemyError) and (line := _overload_detail(error)):
        return problem_response(unavailable(line))
    if isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        line = describe_failure(request.app.state.reader.engine, error)
        log.error("%s", line)
        return problem_response(_database_unavailable(request, line))
    state = request.scope.get("state", {})
    return internal_error(state.get("request_id", "unknown"), request.method, request.url.path, error)
