"""Reads the CODEOWNERS files of monitored repositories at their default branch, with requests that nothing else needs.

A file that cannot be read is unknown: only a 404 in all places, of a repository that GitHub shows, means that there is
none."""

import base64
import binascii
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from collector.context import CollectorContext
from collector.github.client import GitHubResponse
from collector.github.errors import (
    Forbidden,
    GitHubError,
    InvalidResponse,
    NotFound,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from collector.github.payloads import ContentPayload, InvalidPayload, parse_payload
from collector.github.spare_budget import SpareBudget
from collector.sync.failures import diagnose_missing_repository, isolate_failure
from core.logging import log_context
from db.engine import session_scope, write_scope
from db.enums import CodeownersState
from db.repositories import codeowners_files
from db.repositories.codeowners_files import CodeownersRow
from health.teams.codeowners import LOCATIONS, MAX_BYTES

log = logging.getLogger(__name__)
# Requests an hour as a share of the hourly limit. A file in the first place costs one, no file three.
HOURLY_SHARE = 0.05
# When a file is read again; after an error sooner.
READ_INTERVAL, RETRY_INTERVAL = timedelta(hours=6), timedelta(hours=1)
# A 5xx is not worth waiting for.
_MAX_SERVER_ERRORS = 2


class _Unreadable(Exception):
    """The message is one line for people."""


class CodeownersReader:
    def __init__(self, context: CollectorContext) -> None:
        self._context, self._client, self._clock = context, context.client, context.clock
        self._budget = SpareBudget(context.client, context.clock, hourly_share=HOURLY_SHARE)
        # The default branch at the last attempt of this process.
        self._branches: dict[int, str] = {}

    def run(self, repositories: Mapping[int, str]) -> int:
        """Reads the files that are due, of these repositories (owner/name by id), within the budget; returns the number
        of those that changed. Without any team nothing is read. Raises RateLimited."""
        if not repositories or not self._budget.allows_request():
            return 0
        with session_scope(self._context.engine) as session:
            rows = codeowners_files.list_codeowners(session, repositories.keys())
            rows = [row for row in rows if self._is_due(row)]
            if not rows or not codeowners_files.has_teams(session):
                return 0
        changed = 0
        try:
            for row in rows:
                if self._context.stop.is_set() or not self._budget.allows_request():
                    break
                with log_context(repository=row.repo):
                    changed += self._read(row)
        except (Unauthorized, Unreachable) as error:
            # Concerns every request; the sync reports it.
            log.debug("no CODEOWNERS file is read: %s", error)
        finally:
            if changed:
                self._context.progress.mark_data_changed()
        return changed

    def _is_due(self, row: CodeownersRow) -> bool:
        if row.checked_at is None or self._branches.get(row.repository_id, row.default_branch) != row.default_branch:
            return True
        interval = RETRY_INTERVAL if row.error else READ_INTERVAL
        return not row.checked_at <= self._clock() < row.checked_at + interval

    def _read(self, row: CodeownersRow) -> bool:
        """Returns whether the state or the content is new."""
        now, error = self._clock(), None
        try:
            with isolate_failure(row.repo):
                changed = self._store(row, now)
        except (RateLimited, Unauthorized, Unreachable):
            raise
        except (GitHubError, _Unreadable) as failure:
            error = _error_text(failure)
            temporary = isinstance(failure, InvalidResponse) and failure.transient
            record = codeowners_files.record_failed_attempt if temporary else codeowners_files.record_unreadable
            with write_scope(self._context.engine) as session:
                changed = record(session, row.repository_id, error, now)
        self._branches[row.repository_id] = row.default_branch
        if error and error != row.error:
            log.warning("%s: the CODEOWNERS file cannot be read: %s", row.repo, error)
        return changed

    def _store(self, row: CodeownersRow, now: datetime) -> bool:
        for location in LOCATIONS:
            try:
                response = self._get(
                    f"/repos/{row.repo}/contents/{location}", row.etag if location == row.path else None
                )
            except NotFound:
                continue
            if response.not_modified:
                with write_scope(self._context.engine) as session:
                    codeowners_files.record_unchanged(session, row.repository_id, now)
                return False
            if isinstance(response.data, list):
                continue  # a folder with this name
            text = self._text(row.repo, response.data)
            with write_scope(self._context.engine) as session:
                return codeowners_files.store_codeowners(session, row.repository_id, location, text, response.etag, now)
        if row.state is not CodeownersState.ABSENT:
            self._budget.spend()
            hidden = diagnose_missing_repository(self._client, row.repository_id, row.repo)
            if hidden is not None:
                raise hidden
        with write_scope(self._context.engine) as session:
            return codeowners_files.record_absent(session, row.repository_id, now)

    def _get(self, path: str, etag: str | None = None) -> GitHubResponse:
        """A response, whose request counts unless nothing changed."""
        try:
            response = self._client.get(path, etag=etag, max_attempts=_MAX_SERVER_ERRORS)
        except GitHubError:
            self._budget.spend()
            raise
        if not response.not_modified:
            self._budget.spend()
        return response

    def _text(self, repo: str, data: object) -> str:
        """The text of a file. GitHub sends the content of a file above 1 MB only as a blob. Raises _Unreadable and
        GitHubError."""
        file = _parse(data)
        if file.type != "file":
            raise _Unreadable(f"it is not a file but a {file.type}")
        if file.size >= MAX_BYTES:
            raise _Unreadable(f"it has {file.size:,} bytes, and GitHub loads files below {MAX_BYTES:,} bytes")
        if file.encoding != "base64" and file.sha:
            file = _parse(self._get(f"/repos/{repo}/git/blobs/{file.sha}").data)
        if file.encoding != "base64":
            raise _Unreadable("GitHub's response contains no file")
        try:
            text = base64.b64decode(file.content.replace("\n", ""), validate=True).decode("utf-8")
        except UnicodeDecodeError:
            raise _Unreadable("it is not UTF-8 text") from None
        except (binascii.Error, ValueError):
            raise _Unreadable("GitHub's response contains no file") from None
        if "\0" in text:
            raise _Unreadable("it is not a text file")
        return text


def _parse(data: object) -> ContentPayload:
    try:
        return parse_payload(ContentPayload, data)
    except InvalidPayload:
        raise _Unreadable("GitHub's response contains no file") from None


def _error_text(error: Exception) -> str:
    """One line. A 403 is usually a missing permission."""
    if isinstance(error, Forbidden):
        return f"the permission to read Contents is missing ({error})"
    return str(error)
