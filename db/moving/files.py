"""Files that appear whole or not at all, and what is in them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.moving.contents import Refused

SQLITE, DUMP = b"SQLite format 3\x00", b"PGDMP"


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary file beside `path`, readable for its owner alone, that takes its name when the block ends well.
    Raises Refused where there is a file of that name, or no folder to write to."""
    _check_free(path, overwrite)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise Refused(f"{path}: cannot write there: {error.strerror}; name a file in a folder of yours.") from None
    temporary = Path(name)
    os.close(handle)
    try:
        yield temporary
        _check_free(path, overwrite)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def beginning(path: Path) -> bytes:
    """What tells the kind of a file; raises Refused where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}; name a file that db backup made.") from None


def _check_free(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise Refused(f"{path} is a folder; name a file in it.")
    if path.exists() and not overwrite:
        raise Refused(f"{path} exists; name another file, or add --overwrite.")
