"""A few simulated minutes with all faults at once; `python -m tests.chaos.day` lives through 24 hours."""

import subprocess
import sys

import pytest

from tests.chaos.account import FULL
from tests.chaos.clocks import COMPILER, WITHOUT
from tests.programs import ROOT, clean

LENGTH = ("--hours", "4") if FULL else ("--hours", "0.2", "--hasty")


@pytest.mark.skipif(not COMPILER, reason=WITHOUT)
def test_after_a_time_of_all_faults_everything_is_there_and_was_told_once() -> None:
    command = [sys.executable, "-m", "tests.chaos.day", *LENGTH, "--seed", "suite"]
    done = subprocess.run(command, cwd=ROOT, env=clean({}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    assert "every row equal to GitHub's" in done.stdout
    assert "all programs answered" in done.stdout
    print(done.stdout)
