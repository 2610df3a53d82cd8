"""The collector as a real process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).parents[2]


def start(
    command: str, database_url: str, github_url: str, *, log: IO[str] | None = None, **settings: str
) -> subprocess.Popen[str]:
    """`python -m collector COMMAND`; what it prints goes into `log`, or can be read from stdout: not too much then, as
    a pipe that is full stops it."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(_ROOT),
        "DATABASE_URL": database_url, "GITHUB_API_URL": github_url, "GITHUB_TOKEN": "good",
        "GITHUB_REPOS": "scale/*", "COLLECT_LOGS": "none", **settings,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "collector", *command.split()],
        env=environment, stdout=log or subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(program: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str]:
    said, _ = program.communicate(timeout=seconds)
    return program.returncode, said
