"""Reads which workflows run by the clock: their files, where a rule asks for it, and again only what changed."""

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
        # Files that are skipped, as a collector that is gone noted it and could not log it.
        self._skipped: set[Key] = set()

    def read(self, repository_id: int, repo: str) -> None:
        """What cannot be read of one file stands beside it; the others go on. A file that is not there (404) while its
        repository is has no schedule."""
        with session_scope(self._engine) as session:
            wanted = pending_workflow_files(session, repository_id, self._clock())
        for file in wanted:
            self._read(repository_id, repo, file)

    def _read(self, repository_id: int, repo: str, file: PendingWorkflowFile) -> None:
        now, key = self._clock(), (repository_id, file.workflow_id)
        with session_scope(self._engine) as session:
            known = schedule_error(session, *key)
        try:
            answer = self._client.get(f"/repos/{repo}/contents/{quote(file.path)}", etag=file.etag)
            crons = None if answer.not_modified else self._parse_schedule(key, _decode_text(answer.data), now)
        except (*_FILE_ERRORS, InvalidWorkflowFile) as error:
            removed = (
                isinstance(error, NotFound) and diagnose_missing_repository(self._client, repository_id, repo) is None
            )
            with write_scope(self._engine) as session:
                note = record_removed if removed else record_unreadable
                note(session, key, str(error), now)
                trouble = None if removed else schedule_error(session, *key)
        else:
            with write_scope(self._engine) as session:
                if crons is None:
                    record_unchanged(session, key, now)
                else:
                    store_schedule(session, key, crons, answer.etag, now)
                trouble = schedule_error(session, *key)
        # Files are read every hour: what is wrong with one is logged when it changes.
        if trouble and trouble != known:
            log.warning("%s: the schedule of %r is not judged: %s", repo, file.path, trouble)

    def _parse_schedule(self, key: Key, text: str, now: datetime) -> list[Any]:
        """A file that is being read is noted before: one that ends the program is not read again by the next."""
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        with write_scope(self._engine) as session:
            trouble = schedule_error(session, *key)
            if crashed_while_parsing(trouble, digest, now):
                if key not in self._skipped:
                    self._skipped.add(key)
                    log.warning("a workflow's file is skipped for a day: %s", trouble)
                raise InvalidWorkflowFile(str(trouble))
            record_parse_start(session, key, digest, now)
        return parse_schedule(text)


def _decode_text(data: object) -> str:
    try:
        payload = parse_payload(FilePayload, data)
    except InvalidPayload:
        raise InvalidWorkflowFile("GitHub did not answer with a file") from None
    if payload.encoding != "base64":
        raise InvalidWorkflowFile("GitHub did not answer with a file")
    try:
        return base64.b64decode(payload.content).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise InvalidWorkflowFile("GitHub's answer holds no file") from None
