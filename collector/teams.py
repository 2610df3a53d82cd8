"""Teams of TEAMS_FILE, and what all teams own. The leader stores both."""

import logging
from pathlib import Path

from collector.context import CollectorContext
from db.engine import session_scope, write_scope
from db.enums import TeamSource
from health.alerts.channels.definitions import check_channel, parse_channel
from health.alerts.storage.stored_channels import store_file_channels
from health.teams.ownership import is_ownership_current
from health.teams.service import refresh_ownership, store_file_teams
from health.teams.stored_settings import store_file_settings
from health.teams.teams_file import InvalidTeamsFile, TeamsFile, read_teams_file

log = logging.getLogger(__name__)
# Modification time, size and inode of a file: a file that is replaced under the same name has another inode.
_Signature = tuple[int, int, int] | None


class TeamsTask:
    """An invalid change of the file is reported once, in the log and in the heartbeat; the last valid state remains."""

    def __init__(self, context: CollectorContext, path: str | None) -> None:
        self._context, self._path = context, path
        self._is_applied, self._signature, self._error = False, _signature(path), ""

    def run(self) -> None:
        """Applies a changed file, and updates what teams own after changes of repositories, workflows and CODEOWNERS
        files. Raises SQLAlchemyError; the next call tries again."""
        file = self._changed_file()
        changed = self._apply(file) if file is not None else False
        # Computed in a transaction that only reads: on SQLite one that writes keeps other writers waiting.
        with session_scope(self._context.engine) as session:
            is_current = is_ownership_current(session)
        if not is_current:
            with write_scope(self._context.engine) as session:
                changed = refresh_ownership(session) or changed
        if changed:
            self._context.progress.mark_data_changed()

    def _apply(self, file: TeamsFile) -> bool:
        """Returns whether the stored teams or settings differ."""
        now = self._context.clock()
        with write_scope(self._context.engine) as session:
            changed = store_file_teams(session, file.teams, now)
            changed = store_file_settings(session, file.settings(), now) or changed
            definitions = [parse_channel(name, fields, TeamSource.FILE) for name, fields in file.channels.items()]
            changed = store_file_channels(session, definitions, now) or changed
        self._is_applied = True
        return changed

    def _changed_file(self) -> TeamsFile | None:
        """The content of the file, if it must be applied; empty without a file. Null if it is unchanged or invalid."""
        if self._path is None:
            return None if self._is_applied else TeamsFile()
        signature = _signature(self._path)
        if self._is_applied and signature == self._signature:
            return None
        try:
            file = read_teams_file(self._path, check_channel=check_channel)
        except InvalidTeamsFile as error:
            self._signature = signature
            self._report(str(error))
            return None
        if self._error:
            log.info("TEAMS_FILE: %s is valid again.", self._path)
        self._signature, self._is_applied = signature, False
        self._report("")
        return file

    def _report(self, error: str) -> None:
        if error and error != self._error:
            log.warning("TEAMS_FILE: %s. The teams of the last valid file remain.", error)
        self._error = error
        self._context.progress.set_heartbeat_fields(teams_file_error=error or None)


def _signature(path: str | None) -> _Signature:
    try:
        status = Path(path).stat() if path else None
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
