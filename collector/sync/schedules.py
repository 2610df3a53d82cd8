"""Reads the schedules of workflows from their files, where an alert rule needs them, and only files that changed."""

import base64
import binascii
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, Gone, InvalidResponse, NotFound, Unprocessable
from collector.github.payloads import FilePayload, InvalidPayload, parse_payload
from collector.sync.crons import InvalidWorkflowFile, parse_schedule
from collector.sync.failures import diagnose_missing_repository
from db.engine import session_scope, write_scope
from db.repositories.schedules import (
    Key,
    PendingWorkflowFile,
    crashed_while_parsing,
    pending_workflow_files,
    record_parse_start,
    record_removed,
    record_unchanged,
    record_unreadable,
    schedule_error,
    store_schedule,
)

log = logging.getLogger(__name__)

_FILE_ERRORS = (InvalidResponse, Forbidden, Gone, NotFound, Unprocessable)


class ScheduleReader:
    def __init__(self, engine: Engine, client: GitHubClient, clock: Callable[[], datetime]) -> None:
        self._engine, self._client, self._clock = engine, client, clock
        # Files that are skipped because the parser crashed an earlier process; each is logged once.
        self._skipped: set[Key] = set()

    def read(self, repository_id: int, repo: str) -> None:
        """Stores the error of a file that cannot be read, and continues with the others. A file with a 404 while
        its repository exists has no schedule."""
        with session_scope(self._engine) as session:
            files = pending_workflow_files(session, repository_id, self._clock())
        for file in files:
            self._read(repository_id, repo, file)

    def _read(self, repository_id: int, repo: str, file: PendingWorkflowFile) -> None:
        now, key = self._clock(), (repository_id, file.workflow_id)
        with session_scope(self._engine) as session:
            previous_error = schedule_error(session, *key)
        try:
            response = self._client.get(f"/repos/{repo}/contents/{quote(file.path)}", etag=file.etag)
            crons = None if response.not_modified else self._parse_schedule(key, _decode_text(response.data), now)
        except (*_FILE_ERRORS, InvalidWorkflowFile) as error:
            removed = (
                isinstance(error, NotFound) and diagnose_missing_repository(self._client, repository_id, repo) is None
            )
            with write_scope(self._engine) as session:
                record = record_removed if removed else record_unreadable
                record(session, key, str(error), now)
                error_text = None if removed else schedule_error(session, *key)
        else:
            with write_scope(self._engine) as session:
                if crons is None:
                    record_unchanged(session, key, now)
                else:
                    store_schedule(session, key, crons, response.etag, now)
                error_text = schedule_error(session, *key)
        # Files are read every hour; an error is logged only when it changes.
        if error_text and error_text != previous_error:
            log.warning("%s: the schedule of %r cannot be evaluated: %s", repo, file.path, error_text)

    def _parse_schedule(self, key: Key, text: str, now: datetime) -> list[Any]:
        """Parses a file. The start is stored first, so that a file that crashes the process is not parsed again by the
        next one. Raises InvalidWorkflowFile."""
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        with write_scope(self._engine) as session:
            stored_error = schedule_error(session, *key)
            if crashed_while_parsing(stored_error, digest, now):
                if key not in self._skipped:
                    self._skipped.add(key)
                    log.warning("a workflow file is skipped for a day: %s", stored_error)
                raise InvalidWorkflowFile(str(stored_error))
            record_parse_start(session, key, digest, now)
        return parse_schedule(text)


def _decode_text(data: object) -> str:
    try:
        payload = parse_payload(FilePayload, data)
    except InvalidPayload:
        raise InvalidWorkflowFile("GitHub did not return a file") from None
    if payload.encoding != "base64":
        raise InvalidWorkflowFile("GitHub did not return a file")
    try:
        return base64.b64decode(payload.content).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise InvalidWorkflowFile("GitHub's response contains no file") from None
