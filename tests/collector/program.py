"""The collector's command line as processes of its own."""

import subprocess
from pathlib import Path

from tests import programs
from tests.programs import ROOT, clean

__all__ = ["ROOT", "clean", "collector"]
_MOST_SECONDS = 60


def collector(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m collector ARGUMENTS` with no more settings than these, to its end."""
    program = programs.start("collector", *arguments, environment=environment, folder=Path.cwd(), alarm=_MOST_SECONDS)
    out, err = program.communicate()
    assert program.returncode is not None
    return subprocess.CompletedProcess(arguments, program.returncode, out, err)
