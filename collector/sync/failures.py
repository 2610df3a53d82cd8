"""The meaning of failures: of a 404, of a repository without GitHub Actions, and of a database error."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, InvalidResponse, NotFound, RateLimited
from collector.github.payloads import InvalidPayload, RepositoryPayload, parse_payload
from core.text import clean

# GitHub's message follows the status: "GitHub refuses /repos/… (403: Actions has been disabled …)".
_STATUS = "(403: "
_ACTIONS = re.compile(r"\bactions\b", re.IGNORECASE)
_DISABLED = re.compile(r"\b(?:disabled|not enabled|not available|unavailable|switched off|turned off)\b", re.IGNORECASE)
# Classes of operational errors of PostgreSQL that concern one transaction: it was rolled back in favor of another one
# (40), or a value is too large for an index (54, program limit exceeded).
_TRANSIENT_CLASSES = ("40", "54")


def parse_repository(data: object, repo: str) -> RepositoryPayload:
    """The body of GET /repos/{repo}. Raises InvalidResponse."""
    try:
        return parse_payload(RepositoryPayload, data)
    except InvalidPayload as error:
        raise InvalidResponse(f"GitHub's answer about {repo} cannot be read ({error})") from None


def diagnose_missing_repository(client: GitHubClient, repository_id: int, repo: str) -> GitHubError | None:
    """Null if GitHub shows this repository, else the reason. Raises RateLimited."""
    try:
        payload = parse_repository(client.get(f"/repos/{repo}").data, repo)
    except RateLimited:
        raise
    except GitHubError as error:
        return error
    if payload.id != repository_id:
        return InvalidResponse(f"{repo} is now the name of another repository")
    return None


def diagnose_missing_run(client: GitHubClient, repo: str, run_id: int) -> GitHubError | None:
    """The cause of a 404 for the jobs of a run: null if the run was deleted, else the error. Raises RateLimited."""
    try:
        client.get(f"/repos/{repo}/actions/runs/{run_id}")
    except NotFound:
        return None
    except RateLimited:
        raise
    except GitHubError as error:
        return error
    return InvalidResponse("GitHub shows the run but not its jobs (404)")


def has_no_actions(client: GitHubClient, repository_id: int, repo: str, error: GitHubError) -> bool:
    """Whether an error of a request about Actions means that the repository has none: in temporary forks of security
    advisories, or where a policy disabled Actions. A 404 also means that the repository is deleted or hidden, so the
    repository itself is requested. Raises RateLimited."""
    if isinstance(error, Forbidden):
        return _mentions_disabled(str(error))
    return isinstance(error, NotFound) and diagnose_missing_repository(client, repository_id, repo) is None


def _mentions_disabled(error: str) -> bool:
    message = error.partition(_STATUS)[2]
    subject = _ACTIONS.search(message)
    return subject is not None and _DISABLED.search(message, subject.end()) is not None


def is_database_unavailable(error: Exception) -> bool:
    """Whether the database cannot be used at all, as opposed to an error of one statement."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = str(getattr(error.orig, "pgcode", None) or "")
    return error.connection_invalidated or (
        isinstance(error, OperationalError) and not code.startswith(_TRANSIENT_CLASSES)
    )


def error_line(error: Exception) -> str:
    """The database's message, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return clean(f"{type(cause).__name__}: {lines[0] if lines else 'no reason given'}", 300)


@contextmanager
def isolate_failure(repo: str) -> Iterator[None]:
    """Turns a database error about the data of one repository into InvalidResponse, so that the others continue."""
    try:
        yield
    except SQLAlchemyError as error:
        # A missing table does not concern one repository either.
        if is_database_unavailable(error) or isinstance(error, ProgrammingError):
            raise
        raise InvalidResponse(f"GitHub's data of {repo} cannot be stored ({error_line(error)})") from error
