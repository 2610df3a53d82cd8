"""python -m collector setup: checks the credentials for GitHub and lists the repositories that they can read, before
GITHUB_REPOS is set. The dashboard, which has no token, shows the stored report."""

import threading
import time
from itertools import islice

from sqlalchemy import Engine

from collector.bootstrap import make_client
from collector.doctor.checks import check_repository, rate_limit_text
from collector.github.client import GitHubClient
from collector.github.errors import GitHubError, NotFound
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
_RECHECK_SECONDS, _RETRY_SECONDS = 600.0, 60.0
_AFFILIATION = "owner,collaborator,organization_member"


def setup_report(settings: CollectorSettings, client: GitHubClient) -> SetupReport:
    """Sends no request without credentials, nor with a token that would be sent unencrypted."""
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
    checks += [_permission_check(client, name) for name in active[:_MAX_PERMISSION_CHECKS]]
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


def _permission_check(client: GitHubClient, name: str) -> SetupCheck:
    try:
        check = check_repository(client, name, in_depth=True)
    except GitHubError as error:
        return SetupCheck(name, False, str(error))
    return SetupCheck(check.name, check.ok, check.detail)


def _count(number: int) -> str:
    return pluralize(number, "repository", "repositories")


class SetupTask:
    """Stores the report at the start of the service, and again after ten minutes, or after a minute if it failed.
    `settings`: those for GitHub, which the demo does not use."""

    def __init__(self, engine: Engine, settings: CollectorSettings, stop: threading.Event) -> None:
        self._engine, self._settings = engine, settings
        self._client = make_client(settings)
        self._client.stop = stop
        self._next_at = float("-inf")

    def run(self) -> None:
        if time.monotonic() < self._next_at:
            return
        report = setup_report(self._settings, self._client)
        with write_scope(self._engine) as session:
            store_setup_report(session, report, utc_now())
        # Settings do not change while the process runs.
        repeat = (_RECHECK_SECONDS if report.ok else _RETRY_SECONDS) if self._settings.has_credentials else float("inf")
        self._next_at = time.monotonic() + repeat
