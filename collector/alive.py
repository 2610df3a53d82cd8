"""python -m collector.alive: exit 0 while the collector of this machine is alive, for frequent container health checks.

The check reads a file, in a twentieth of the time of `python -m collector health`, which queries the database. The file
holds the time until which the collector counts as alive. It is written after each heartbeat that the database stored,
so that both checks have the same result.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

# More than three of the longest poll intervals. A time further ahead was written under a wrong clock.
_MAX_AGE_SECONDS = 4 * 86_400.0


def path() -> Path:
    """In TMPDIR, with the user's id in the name."""
    return Path(tempfile.gettempdir()) / f"pipeline-health-collector-{getattr(os, 'getuid', int)()}.alive"


def touch(until: float) -> None:
    """Writes the time until which the collector is alive, in seconds since 1970. Raises OSError."""
    # In place and always of the same size: this works on a full disk and leaves no temporary file.
    descriptor = os.open(path(), os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        os.write(descriptor, f"{until:012.0f}\n".encode())
    finally:
        os.close(descriptor)


def remove() -> None:
    path().unlink(missing_ok=True)


def main() -> int:
    try:
        until = float(path().read_text("ascii"))
    except (OSError, ValueError):
        until = 0.0
    if 0 < until - time.time() <= _MAX_AGE_SECONDS:
        return 0
    print("The collector is not running.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
