"""More databases, and where backups are put."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.db.places import NewDatabase, new_database


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """Takes a kind, and gives a database with nothing in it."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(new_database(kind, request, tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Not there yet, in a folder of its own."""
    made = tmp_path / "kept" / "backup"
    made.parent.mkdir()
    return made
