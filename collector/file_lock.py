"""An SQLite file has one collector: a lock beside it that the operating system lets go when the process ends, however
it ends. Other programs, and the commands that end by themselves, do not ask for it."""

import errno
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

try:
    import fcntl
except ImportError:  # Windows, where a second collector is not noticed
    fcntl = None  # type: ignore[assignment]

_SUFFIX = "-collector"
_LONGEST = 200
# Whoever has just taken the lock writes its name a moment later.
_TRIES, _PAUSE_SECONDS = 5, 0.05
# What POSIX says of a lock that another process has; anything else is a file system without locks.
_TAKEN = (errno.EACCES, errno.EAGAIN)


class HasCollector(Exception):
    """Another collector serves this file; the message is one line that says which."""


def hold(engine: Engine) -> IO[str] | None:
    """Keeps other collectors from the file for as long as the result lives; null for PostgreSQL, which many may share.
    Raises HasCollector, and OSError where nothing can be written or locked beside the file."""
    name = engine.url.database
    if fcntl is None or engine.dialect.name != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    # By whatever name: a link to the file is the same file.
    path = Path(os.path.realpath(name) + _SUFFIX)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", errors="replace")
    try:
        # Of this process alone: a child that outlives it does not keep the lock.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN:
            file.close()
            raise
        holder = _read(file)
        file.close()
        raise HasCollector(
            f"DATABASE_URL: {name} has a collector already ({holder}); stop that one, or use PostgreSQL, which several "
            "can share."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()[:60]}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    file.flush()
    return file


def _read(file: IO[str]) -> str:
    for _ in range(_TRIES):
        file.seek(0)
        if text := " ".join(file.read(_LONGEST).split()):
            return text
        time.sleep(_PAUSE_SECONDS)
    return "which does not say its name"
