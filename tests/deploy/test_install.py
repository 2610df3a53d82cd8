"""What make says when the installation fails: one line with the reason and the remedy."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.supply.install import failure_reason

ROOT = Path(__file__).parents[2]
_OFFLINE = """\
WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.\
HTTPSConnection object>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'
ERROR: Could not find a version that satisfies the requirement alembic==1.20.1 (from versions: none)
ERROR: No matching distribution found for alembic==1.20.1
"""
_RETRIED = "WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeoutError()': /simple/numpy/\n"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (_OFFLINE, "the package index cannot be reached"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "set PIP_CERT"),
        ("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403'))", "check HTTPS_PROXY"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one of x.lock"),
        ("ERROR: No matching distribution found for numpy==2.4.2", "no numpy==2.4.2 for Python 3."),
        (
            f"{_RETRIED}ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "not the one of x.lock",
        ),
        (
            f"{_RETRIED}ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied",
            "not writable",
        ),
        (
            f"{_RETRIED}ERROR: Could not find a version that satisfies the requirement numpy==9 (from versions: 1.0)\n"
            "ERROR: No matching distribution found for numpy==9",
            "no numpy==9 for Python 3.",
        ),
        ("PermissionError: [Errno 13] Permission denied: '.venv/lib'", "not writable"),
        ("/usr/bin/python3: No module named pip", "run make clean"),
        ("first line\nERROR: something else.\n", "ERROR: something else"),
        ("", "pip ended without a message"),
    ],
)
def test_the_reason_is_named_and_not_what_follows_from_it(output: str, reason: str) -> None:
    found = failure_reason(output, "x.lock")
    assert reason in found
    assert not found.endswith(".")
    assert "\n" not in found


def test_an_index_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text(f"no-such-package-of-anybody==1.0 --hash=sha256:{'0' * 64}\n")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.supply.install", str(lock), "--log", str(tmp_path / "pip.log")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1",
             "PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"Installation failed: the package index cannot be reached; .* pip's output: .*\n", done.stderr)
    assert "No matching distribution" in (tmp_path / "pip.log").read_text()


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("/nowhere/python", "/nowhere/python is not a program"),
        ("#!/bin/sh\ncase $2 in *version_info*) exit 1;; esac", "Python 3.11 or newer is needed"),
        ("#!/bin/sh\ncase $2 in *ensurepip*) exit 1;; esac", "has no venv module; install it"),
        ("#!/bin/sh\nif [ $1 = -m ]; then mkdir .venv; exit 1; fi", "cannot be created"),
    ],
)
def test_a_python_that_cannot_be_used_is_one_line(tmp_path: Path, python: str, line: str) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements.lock").touch()
    if python.startswith("#!"):
        (tmp_path / "python").write_text(f"{python}\n")
        (tmp_path / "python").chmod(0o700)
        python = str(tmp_path / "python")
    # The suite itself runs below make, whose child would end with "Leaving directory".
    done = subprocess.run(
        ["make", "--no-print-directory", "run", f"PYTHON={python}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert line in done.stdout.splitlines()[-1]
    assert not (tmp_path / ".venv").exists()
