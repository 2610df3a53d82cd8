"""python -m collector setup: checks the credentials for GitHub and lists the repositories that they can read, before
GITHUB_REPOS is set. The dashboard, which has no token, shows the stored report."""

import threading
import time
from collections.abc import Callable
from itertools import islice

from sqlalchemy import Engine

from collector.bootstrap import make_client
from collector.doctor.checks import check_repository, rate_limit_text
from collector.github.client import GitHubClient
from collector.github.errors import GitHubError, InvalidResponse, NotFound, Unreachable
from collector.github.pagination import PER_PAGE, pages
from collector.github.payloads import RepositoryPayload
from collector.settings import CollectorSettings
from core.clock import utc_now
from core.formatting import pluralize
from db.collection.setup_report import (
    MAX_SETUP_REPOSITORIES,
    SetupCheck,
    SetupReport,
    SetupRepository,
    store_setup_report,
)
from db.engine import write_scope

# Repositories whose runs, jobs and logs are requested to check the permissions.
_MAX_PERMISSION_CHECKS = 3
_RECHECK_SECONDS, _RETRY_SECONDS, _MAX_RECHECK_SECONDS = 600.0, 60.0, 3600.0
_OnError = Callable[[GitHubError], None]
_AFFILIATION = "owner,collaborator,organization_member"


def setup_report(settings: CollectorSettings, client: GitHubClient, on_error: _OnError = lambda _: None) -> SetupReport:
    """Sends no request without credentials, nor with a token that would be sent unencrypted. `on_error` receives the
    errors of failed checks."""
    if not settings.has_credentials:
        return SetupReport(
            (SetupCheck("Token", None, "GITHUB_TOKEN is not set; without it, public repositories only"),)
        )
    if remedy := settings.encryption_remediation(settings.github_api_url):
        detail = f"GITHUB_API_URL: the token would be sent unencrypted; {remedy}"
        return SetupReport((SetupCheck("Token", False, detail),))
    checks: list[SetupCheck] = []
    try:
        checks.append(_token_check(settings, client))
        listed, truncated = _repositories(client)
    except GitHubError as error:
        on_error(error)
        return SetupReport((*checks, SetupCheck("Repositories" if checks else "Token", False, str(error))))
    if not listed:
        remedy = "grant it access to repositories on GitHub"
        checks.append(
            SetupCheck("Repositories", False, f"{client.auth.principal} cannot read any repositories; {remedy}")
        )
    else:
        count = f"at least {len(listed):,} repositories" if truncated else _count(len(listed))
        checks.append(SetupCheck("Repositories", True, f"{count} can be read"))
    active = [repository.full_name for repository in listed if not repository.archived]
    checks += [_permission_check(client, name, on_error) for name in active[:_MAX_PERMISSION_CHECKS]]
    repositories = (SetupRepository(row.full_name, row.private, row.archived) for row in listed)
    return SetupReport(tuple(checks), tuple(repositories), truncated)


def _token_check(settings: CollectorSettings, client: GitHubClient) -> SetupCheck:
    try:
        scopes = client.get("/rate_limit").scopes
    except NotFound:
        scopes = None  # a server without limits has no such endpoint
    scope_text = f" (scopes: {scopes or 'none'})" if scopes is not None else ""
    accepted = f"{settings.github_api_url} accepts {client.auth.description}{scope_text}"
    return SetupCheck("Token", True, f"{accepted}; {rate_limit_text(client)}")


def _repositories(client: GitHubClient) -> tuple[list[RepositoryPayload], bool]:
    """The repositories that the credentials can read, and whether there are more. For a token, the most recently pushed
    first; GitHub cannot sort those of an App."""
    if client.auth.is_installation:
        listing = pages(client, "/installation/repositories", "repositories", RepositoryPayload)
    else:
        params = {"affiliation": _AFFILIATION, "sort": "pushed"}
        listing = pages(client, "/user/repos", None, RepositoryPayload, params=params)
    limit = MAX_SETUP_REPOSITORIES // PER_PAGE
    read = list(islice(listing, limit + 1))
    return [row for page in read[:limit] for row in page.items], len(read) > limit


def _permission_check(client: GitHubClient, name: str, on_error: _OnError) -> SetupCheck:
    try:
        check = check_repository(client, name, in_depth=True)
    except GitHubError as error:
        on_error(error)
        return SetupCheck(name, False, str(error))
    return SetupCheck(check.name, check.ok, check.detail)


def _count(number: int) -> str:
    return pluralize(number, "repository", "repositories")


def _is_temporary(error: GitHubError) -> bool:
    """Whether GitHub did not answer or failed; nobody has to change anything."""
    if isinstance(error, Unreachable):
        return not error.permanent
    return isinstance(error, InvalidResponse) and error.transient


class SetupTask:
    """Stores the report at the start of the service, and again after ten minutes. After a temporary error it tries
    again after a minute; after failed checks the interval doubles up to an hour. `settings`: those for GitHub, which
    the demo does not use."""

    def __init__(
        self,
        engine: Engine,
        settings: CollectorSettings,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._settings, self._clock = engine, settings, clock
        self._client = make_client(settings)
        self._client.stop = stop
        self._next_at, self._recheck_seconds = float("-inf"), _RECHECK_SECONDS

    def run(self) -> None:
        if self._clock() < self._next_at:
            return
        errors: list[GitHubError] = []
        report = setup_report(self._settings, self._client, errors.append)
        with write_scope(self._engine) as session:
            store_setup_report(session, report, utc_now())
        self._next_at = self._clock() + self._interval(report, errors)

    def _interval(self, report: SetupReport, errors: list[GitHubError]) -> float:
        if not self._settings.has_credentials:
            # Settings do not change while the process runs.
            return float("inf")
        if any(_is_temporary(error) for error in errors):
            return _RETRY_SECONDS
        interval = _RECHECK_SECONDS if report.ok else self._recheck_seconds
        self._recheck_seconds = _RECHECK_SECONDS if report.ok else min(2 * interval, _MAX_RECHECK_SECONDS)
        return interval
