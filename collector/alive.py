"""python -m collector.alive: does the collector of this machine show signs of life? For checks that are made twice a
minute for years: by a file, in a twentieth of the time that `python -m collector health` takes to ask the database.

The file says until when the collector counts as alive. It is written each time that the database took its sign of
life, so that it tells of the same as that."""

import os
import sys
import tempfile
import time
from pathlib import Path


def sign() -> Path:
    """In TMPDIR, and of this user alone."""
    return Path(tempfile.gettempdir()) / f"pipeline-health-collector-{getattr(os, 'getuid', int)()}.alive"


def tell(until: float) -> None:
    """`until` in seconds since 1970. Raises OSError where the file cannot be written."""
    number, name = tempfile.mkstemp(dir=sign().parent, prefix=f"{sign().name}-")
    with os.fdopen(number, "w") as file:
        file.write(f"{until:.0f}\n")
    Path(name).replace(sign())


def forget() -> None:
    sign().unlink(missing_ok=True)


def main() -> int:
    try:
        until = float(sign().read_text("ascii"))
    except (OSError, ValueError):
        until = 0.0
    if time.time() < until:
        return 0
    print("The collector shows no sign of life.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
