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

from collector.github.client import Client
from collector.github.errors import BadAnswer, Forbidden, Gone, NotFound, Unprocessable
from collector.github.payloads import FilePayload, read
from collector.sync.crons import UnreadableFile, crons_of
from collector.sync.failures import why_unseen
from db.engine import session_scope, write_scope
from db.repositories.schedules import (
    Key,
    WantedFile,
    note_being_read,
    note_removed,
    note_schedule,
    note_unchanged,
    note_unreadable,
    reading_ended_it,
    schedule_trouble,
    wanted_files,
)

log = logging.getLogger(__name__)

_OF_THIS_FILE = (BadAnswer, Forbidden, Gone, NotFound, Unprocessable)


class ScheduleReader:
    def __init__(self, engine: Engine, client: Client, clock: Callable[[], datetime]) -> None:
        self._engine, self._client, self._clock = engine, client, clock
        # Files that are skipped, as a collector that is gone noted it and could not log it.
        self._skipped: set[Key] = set()

    def read(self, repository_id: int, repo: str) -> None:
        """What cannot be read of one file stands beside it; the others go on. A file that is not there (404) while its
        repository is has no schedule."""
        with session_scope(self._engine) as session:
            wanted = wanted_files(session, repository_id, self._clock())
        for file in wanted:
            self._read(repository_id, repo, file)

    def _read(self, repository_id: int, repo: str, file: WantedFile) -> None:
        now, key = self._clock(), (repository_id, file.workflow_id)
        with session_scope(self._engine) as session:
            known = schedule_trouble(session, *key)
        try:
            answer = self._client.get(f"/repos/{repo}/contents/{quote(file.path)}", etag=file.etag)
            crons = None if answer.not_modified else self._crons(key, _text(answer.data), now)
        except (*_OF_THIS_FILE, UnreadableFile) as error:
            removed = isinstance(error, NotFound) and why_unseen(self._client, repository_id, repo) is None
            with write_scope(self._engine) as session:
                note = note_removed if removed else note_unreadable
                note(session, key, str(error), now)
                trouble = None if removed else schedule_trouble(session, *key)
        else:
            with write_scope(self._engine) as session:
                if crons is None:
                    note_unchanged(session, key, now)
                else:
                    note_schedule(session, key, crons, answer.etag, now)
                trouble = schedule_trouble(session, *key)
        # Files are read every hour: what is wrong with one is logged when it changes.
        if trouble and trouble != known:
            log.warning("%s: the schedule of %r is not judged: %s", repo, file.path, trouble)

    def _crons(self, key: Key, text: str, now: datetime) -> list[Any]:
        """A file that is being read is noted before: one that ends the program is not read again by the next."""
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        with write_scope(self._engine) as session:
            trouble = schedule_trouble(session, *key)
            if reading_ended_it(trouble, digest, now):
                if key not in self._skipped:
                    self._skipped.add(key)
                    log.warning("a workflow's file is skipped for a day: %s", trouble)
                raise UnreadableFile(str(trouble))
            note_being_read(session, key, digest, now)
        return crons_of(text)


def _text(data: object) -> str:
    payload = read(FilePayload, data)
    if isinstance(payload, str) or payload.encoding != "base64":
        raise UnreadableFile("GitHub did not answer with a file")
    try:
        return base64.b64decode(payload.content).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise UnreadableFile("GitHub's answer holds no file") from None
