"""Backups of PostgreSQL by pg_dump and pg_restore, in their custom format."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

from core.text import clean
from db.backup.contents import REVISION_TABLE, BackupError, own_tables, readable_connection
from db.engine import DatabaseUnavailable, safe_url

_DUMP_OPTIONS = ("--no-owner", "--no-privileges")
_REQUIRED_TABLES = frozenset({REVISION_TABLE, "repositories", "runs", "jobs"})
# Written by pg_restore of 17 and later, also for servers that do not know it.
_UNSUPPORTED_SETTING, _PREAMBLE_LINES = b"SET transaction_timeout = 0;\n", 40


def backup(engine: Engine, file: Path) -> None:
    """This product's tables as they are at one moment, while others write."""
    with readable_connection(engine) as connection:
        tables = [f"--table={name}" for name in own_tables(connection)]
    dump = _find_tool("pg_dump", _server_version(engine))
    _run(
        [dump, "--format=custom", *_DUMP_OPTIONS, "--no-password", f"--file={file}", *tables, _connection_uri(engine)],
        engine,
    )


def revision_of(engine: Engine, file: Path) -> str | None:
    """Of the database that the dump was made of; null where it was not of this product."""
    restore = _find_tool("pg_restore", 0)
    listed = _run([restore, "--list", str(file)], engine)
    if not set(re.findall(r" TABLE DATA \S+ (\S+) ", listed)) >= _REQUIRED_TABLES:
        return None
    rows = _run([restore, "--data-only", f"--table={REVISION_TABLE}", "--file=-", str(file)], engine)
    found = re.search(r"^COPY .*;\n(\S+)\n", rows, re.MULTILINE)
    return found[1] if found and found[1] != "\\." else None


def restore(engine: Engine, file: Path) -> None:
    """In one transaction, in place of this product's tables that are there; what fails changes nothing."""
    server = _server_version(engine)
    pg_restore, psql = _find_tool("pg_restore", server), _find_tool("psql", server)
    with readable_connection(engine) as connection:
        there = own_tables(connection)
    engine.dispose()
    clear = [f"--command=DROP TABLE {', '.join(there)}"] if there else []
    into = [
        psql,
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        "--single-transaction",
        f"--dbname={_connection_uri(engine)}",
        "--command=SET lock_timeout = '30s'",
        *clear,
        "--file=-",
    ]
    out = [pg_restore, *_DUMP_OPTIONS, "--file=-", str(file)]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as taken:
        _pipe(out, into, (told, taken), engine, drop_unsupported=_UNSUPPORTED_SETTING if server < 17 else b"")


def _pipe(
    out: Sequence[str],
    into: Sequence[str],
    errors: tuple[IO[bytes], IO[bytes]],
    engine: Engine,
    *,
    drop_unsupported: bytes,
) -> None:
    """psql commits when its input ends, so that it must not end when the other one fails."""
    environment = _environment(engine)
    with (
        subprocess.Popen(out, stdout=subprocess.PIPE, stderr=errors[0]) as reader,
        subprocess.Popen(
            into, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors[1], env=environment
        ) as writer,
    ):
        whole = False
        try:
            _filter_stream(reader, writer, drop_unsupported)
            whole = reader.wait() == 0
        except BrokenPipeError:
            # psql has ended, and says why.
            whole = True
        finally:
            reader.kill()
            if not whole:
                writer.kill()
        taken = _exited_cleanly(writer)
    if not (whole and taken):
        raise DatabaseUnavailable(_failure_message(errors[1] if whole else errors[0], engine))


def _filter_stream(reader: subprocess.Popen[bytes], writer: subprocess.Popen[bytes], leave_out: bytes) -> None:
    if reader.stdout is None or writer.stdin is None:
        raise ValueError("both programs need pipes")
    for _ in range(_PREAMBLE_LINES):
        line = reader.stdout.readline()
        writer.stdin.write(b"" if line == leave_out else line)
    shutil.copyfileobj(reader.stdout, writer.stdin, 1 << 20)
    writer.stdin.flush()


def _exited_cleanly(writer: subprocess.Popen[bytes]) -> bool:
    try:
        if writer.stdin:
            writer.stdin.close()
    except BrokenPipeError:
        return writer.wait() == 0
    return writer.wait() == 0


def _failure_message(errors: IO[bytes], engine: Engine) -> str:
    errors.seek(0)
    return f"{_last_line(errors.read().decode(errors='replace'))}; {safe_url(engine)} is as it was."


def _run(command: Sequence[str], engine: Engine) -> str:
    done = subprocess.run(
        command, env=_environment(engine), capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise DatabaseUnavailable(f"{Path(command[0]).name}: {_last_line(done.stderr)}.")
    return done.stdout


def _last_line(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "it ended with an error")
    said = re.sub(r"^\S*(pg_dump|pg_restore|psql)(:<stdin>:\d+)?: ((error|ERROR): +)?", "", first)
    return clean(said.rstrip("."), 300)


def _connection_uri(engine: Engine) -> str:
    """The address without the password: whoever lists the processes sees it."""
    query = {name: value for name, value in engine.url.query.items() if name != "password"}
    plain = engine.url.set(drivername="postgresql", query=query)
    return plain._replace(password=None).render_as_string(hide_password=False)


def _environment(engine: Engine) -> dict[str, str]:
    password = engine.url.password or engine.url.query.get("password")
    return {**os.environ, "LC_MESSAGES": "C", **({"PGPASSWORD": str(password)} if password else {})}


def _server_version(engine: Engine) -> int:
    with readable_connection(engine) as connection:
        return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000


def _find_tool(name: str, server: int) -> str:
    path = shutil.which(name)
    remedy = (
        f"install postgresql-client{f'-{server}' if server else ''}, or see docs/backup.md for doing it in the "
        "database's container, or copy to SQLite by python -m db copy"
    )
    if path is None:
        raise BackupError(f"{name} is not installed: {remedy}.")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"\) (\d+)", said.stdout)
    version = int(found[1]) if found else 0
    if version < server:
        raise BackupError(f"{name} here is of PostgreSQL {version}, the server of {server}: {remedy}.")
    return path
