"""What a 404 about a run means: the run was deleted, or the token may not see its repository just now.

Repositories without GitHub Actions: temporary forks of security advisories, or Actions switched off by a policy.

What the database does not take: the fault of what was to be stored, or its own.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, InvalidResponse, NotFound, RateLimited
from collector.github.payloads import InvalidPayload, RepositoryPayload, parse_payload
from core.text import clean


def parse_repository(data: object, repo: str) -> RepositoryPayload:
    """The body of GET /repos/{repo}. Raises InvalidResponse."""
    try:
        return parse_payload(RepositoryPayload, data)
    except InvalidPayload as error:
        raise InvalidResponse(f"GitHub's answer about {repo} cannot be read ({error})") from None


def diagnose_missing_repository(client: GitHubClient, repository_id: int, repo: str) -> GitHubError | None:
    """Null where GitHub shows this repository. Raises RateLimited."""
    try:
        payload = parse_repository(client.get(f"/repos/{repo}").data, repo)
    except RateLimited:
        raise
    except GitHubError as error:
        return error
    if payload.id != repository_id:
        return InvalidResponse(f"{repo} is the name of another repository now")
    return None


def diagnose_missing_run(client: GitHubClient, repo: str, run_id: int) -> GitHubError | None:
    """Null where the run itself is gone; else what is wrong with its jobs. Raises RateLimited."""
    try:
        client.get(f"/repos/{repo}/actions/runs/{run_id}")
    except NotFound:
        return None
    except RateLimited:
        raise
    except GitHubError as error:
        return error
    return InvalidResponse("GitHub shows the run and not its jobs (404)")


# GitHub's own words stand after the status: "GitHub refuses /repos/… (403: Actions has been disabled …)".
_STATUS = "(403: "
_ACTIONS = re.compile(r"\bactions\b", re.IGNORECASE)
_DISABLED = re.compile(r"\b(?:disabled|not enabled|not available|unavailable|switched off|turned off)\b", re.IGNORECASE)


def has_no_actions(client: GitHubClient, repository_id: int, repo: str, error: GitHubError) -> bool:
    """Whether this answer to a question about the repository's Actions says that it has none. A 404 also stands for a
    repository that is gone or hidden, so the repository itself is asked for. Raises RateLimited."""
    if isinstance(error, Forbidden):
        return _mentions_disabled(str(error))
    return isinstance(error, NotFound) and diagnose_missing_repository(client, repository_id, repo) is None


def _mentions_disabled(refusal: str) -> bool:
    said = refusal.partition(_STATUS)[2]
    named = _ACTIONS.search(said)
    return named is not None and _DISABLED.search(said, named.end()) is not None


# PostgreSQL calls these operational errors too: a transaction that had to give way to another (40), and a value that
# fits into no index (54, program limit exceeded).
_TRANSIENT_CLASSES = ("40", "54")


def is_database_unavailable(error: Exception) -> bool:
    """The database cannot be used, or not now: nothing else can be stored either."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = str(getattr(error.orig, "pgcode", None) or "")
    return error.connection_invalidated or (
        isinstance(error, OperationalError) and not code.startswith(_TRANSIENT_CLASSES)
    )


def error_line(error: Exception) -> str:
    """Without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return clean(f"{type(cause).__name__}: {lines[0] if lines else 'no reason given'}", 300)


@contextmanager
def isolate_failure(repo: str) -> Iterator[None]:
    """What the database does not take of one repository is that repository's failure, and the others go on."""
    try:
        yield
    except SQLAlchemyError as error:
        # A table that is not there is no repository's fault either.
        if is_database_unavailable(error) or isinstance(error, ProgrammingError):
            raise
        raise InvalidResponse(f"what GitHub tells of {repo} cannot be stored ({error_line(error)})") from error
