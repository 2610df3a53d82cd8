"""The collector and the API as real processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import httpx

from tests import programs
from tests.notify.servers import free_port
from tests.programs import Program


def start(command: str, database_url: str, github_url: str, *, log: IO[str] | None = None, **settings: str) -> Program:
    """`python -m collector COMMAND`; what it prints goes into `log`, or can be read at its end."""
    environment = {
        "DATABASE_URL": database_url, "GITHUB_API_URL": github_url, "GITHUB_TOKEN": "good",
        "GITHUB_REPOS": "scale/*", "COLLECT_LOGS": "none", **settings,
    }  # fmt: skip
    return programs.start("collector", *command.split(), environment=environment, log=log)


def finish(program: Program, seconds: float = 120) -> tuple[int, str]:
    said = "".join(program.communicate(timeout=seconds))
    assert program.returncode is not None
    return program.returncode, said


@contextmanager
def api(**settings: str) -> Iterator[str]:
    """The address of one that answers."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    program = programs.start("api", environment={"API_PORT": str(port), **settings})
    try:
        _wait_for(f"{address}/health", program)
        yield address
    finally:
        program.kill()
        program.communicate()


def _wait_for(url: str, program: Program) -> None:
    # Reading the certificates for each try takes longer than most programs take to start.
    with httpx.Client(verify=False) as client:
        for _ in range(1_600):
            assert program.poll() is None
            try:
                client.get(url)
                return
            except httpx.TransportError:
                time.sleep(0.02)
    raise AssertionError(f"{url} never answered")
