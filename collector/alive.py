"""python -m collector.alive: does the collector of this machine show signs of life? For checks that are made twice a
minute for years: by a file, in a twentieth of the time that `python -m collector health` takes to ask the database.

The file says until when the collector counts as alive. It is written each time that the database took its sign of
life, so that it tells of the same as that."""

import os
import sys
import tempfile
import time
from pathlib import Path

# More than three of the longest intervals between polls. What is written under a clock that is ahead counts no longer.
_MAX_AGE_SECONDS = 4 * 86_400.0


def path() -> Path:
    """In TMPDIR, and of this user alone."""
    return Path(tempfile.gettempdir()) / f"pipeline-health-collector-{getattr(os, 'getuid', int)()}.alive"


def touch(until: float) -> None:
    """`until` in seconds since 1970. Raises OSError where the file cannot be written."""
    # In place, as many bytes each time: that works on a full disk, too, and leaves nothing behind.
    number = os.open(path(), os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        os.write(number, f"{until:012.0f}\n".encode())
    finally:
        os.close(number)


def remove() -> None:
    path().unlink(missing_ok=True)


def main() -> int:
    try:
        until = float(path().read_text("ascii"))
    except (OSError, ValueError):
        until = 0.0
    if 0 < until - time.time() <= _MAX_AGE_SECONDS:
        return 0
    print("The collector shows no sign of life.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
