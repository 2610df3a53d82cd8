"""Backup and restore of PostgreSQL with pg_dump and pg_restore, in the custom format."""

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
# pg_restore 17 and later write this setting, also for older servers that do not have it.
_UNSUPPORTED_SETTING, _PREAMBLE_LINES = b"SET transaction_timeout = 0;\n", 40


def backup(engine: Engine, file: Path) -> None:
    """Dumps a snapshot of this product's tables. Writers are not blocked."""
    with readable_connection(engine) as connection:
        tables = [f"--table={name}" for name in own_tables(connection)]
    dump = _find_tool("pg_dump", _server_version(engine))
    _run(
        [dump, "--format=custom", *_DUMP_OPTIONS, "--no-password", f"--file={file}", *tables, _connection_uri(engine)],
        engine,
    )


def revision_of(engine: Engine, file: Path) -> str | None:
    """The schema revision in the dump; null if the dump is not of this product."""
    restore = _find_tool("pg_restore", 0)
    contents = _run([restore, "--list", str(file)], engine)
    if not set(re.findall(r" TABLE DATA \S+ (\S+) ", contents)) >= _REQUIRED_TABLES:
        return None
    rows = _run([restore, "--data-only", f"--table={REVISION_TABLE}", "--file=-", str(file)], engine)
    match = re.search(r"^COPY .*;\n(\S+)\n", rows, re.MULTILINE)
    return match[1] if match and match[1] != "\\." else None


def restore(engine: Engine, file: Path) -> None:
    """Replaces this product's tables in one transaction; a failure changes nothing."""
    server = _server_version(engine)
    pg_restore, psql = _find_tool("pg_restore", server), _find_tool("psql", server)
    with readable_connection(engine) as connection:
        existing = own_tables(connection)
    engine.dispose()
    clear = [f"--command=DROP TABLE {', '.join(existing)}"] if existing else []
    write = [
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
    read = [pg_restore, *_DUMP_OPTIONS, "--file=-", str(file)]
    with tempfile.TemporaryFile() as reader_errors, tempfile.TemporaryFile() as writer_errors:
        unsupported = _UNSUPPORTED_SETTING if server < 17 else b""
        _pipe(read, write, (reader_errors, writer_errors), engine, drop_unsupported=unsupported)


def _pipe(
    read: Sequence[str],
    write: Sequence[str],
    errors: tuple[IO[bytes], IO[bytes]],
    engine: Engine,
    *,
    drop_unsupported: bytes,
) -> None:
    """Pipes the output of `read` into `write`. psql commits at the end of its input, so it is killed without that end
    if `read` fails."""
    environment = _environment(engine)
    with (
        subprocess.Popen(read, stdout=subprocess.PIPE, stderr=errors[0]) as reader,
        subprocess.Popen(
            write, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors[1], env=environment
        ) as writer,
    ):
        complete = False
        try:
            _filter_stream(reader, writer, drop_unsupported)
            complete = reader.wait() == 0
        except BrokenPipeError:
            # psql has exited, and its own error output has the cause.
            complete = True
        finally:
            reader.kill()
            if not complete:
                writer.kill()
        succeeded = _exited_cleanly(writer)
    if not (complete and succeeded):
        raise DatabaseUnavailable(_failure_message(errors[1] if complete else errors[0], engine))


def _filter_stream(reader: subprocess.Popen[bytes], writer: subprocess.Popen[bytes], drop_unsupported: bytes) -> None:
    if reader.stdout is None or writer.stdin is None:
        raise ValueError("both programs need pipes")
    for _ in range(_PREAMBLE_LINES):
        line = reader.stdout.readline()
        writer.stdin.write(b"" if line == drop_unsupported else line)
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
    return f"{_error_line(errors.read().decode(errors='replace'))}; {safe_url(engine)} is as it was."


def _run(command: Sequence[str], engine: Engine) -> str:
    result = subprocess.run(
        command, env=_environment(engine), capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode:
        raise DatabaseUnavailable(f"{Path(command[0]).name}: {_error_line(result.stderr)}.")
    return result.stdout


def _error_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "it ended with an error")
    message = re.sub(r"^\S*(pg_dump|pg_restore|psql)(:<stdin>:\d+)?: ((error|ERROR): +)?", "", first)
    return clean(message.rstrip("."), 300)


def _connection_uri(engine: Engine) -> str:
    """The URI without the password, because the command line is visible in the list of processes."""
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
        f"install postgresql-client{f'-{server}' if server else ''}, or run it in the database's container "
        "(docs/backup.md), or copy to SQLite with python -m db copy"
    )
    if path is None:
        raise BackupError(f"{name} is not installed: {remedy}.")
    result = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", check=False)
    match = re.search(r"\) (\d+)", result.stdout)
    version = int(match[1]) if match else 0
    if version < server:
        raise BackupError(f"{name} is version {version}, but the server is PostgreSQL {server}: {remedy}.")
    return path
