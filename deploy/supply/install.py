"""`python -m deploy.supply.install LOCK`: installs the packages of a lock file into the running environment with pip.

If pip fails, one line states the reason and the remedy: pip's own last line reports a network failure as a missing
package. The whole output is in the file that `--log` names. The module imports only the standard library.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Compiling ten thousand files that are never imported takes longer than everything else.
_PIP = ("install", "--disable-pip-version-check", "--quiet", "--no-compile", "--require-hashes", "-r")
_MIRROR = "or set PIP_INDEX_URL to a mirror, or HTTPS_PROXY to a proxy"
# Pattern of pip's output, and the line for it; the first one that matches is the reason. Its errors are searched before
# the whole output, in which a lost connection also produces the later ones.
_REASONS = (
    (
        re.compile(r"No space left on device|Errno 28\b|Disk quota exceeded"),
        "the disk is full; free 1 GB in {folder} and in the folder of temporary files (TMPDIR)",
    ),
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError"),
        "the certificate of the package index is not trusted; if a proxy issued it, set PIP_CERT to the file of its CA",
    ),
    (
        re.compile(r"ProxyError|Tunnel connection failed|407 Proxy"),
        "the proxy refused the connection to the package index; check HTTPS_PROXY",
    ),
    (
        re.compile(
            r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Failed to establish a new connection|"
            r"Temporary failure in name resolution|Name or service not known|Network is unreachable|Connection refused|"
            r"Connection reset|RemoteDisconnected|Max retries exceeded|Read timed out|connection broken"
        ),
        f"the package index cannot be reached; check the network, {_MIRROR}",
    ),
    (
        re.compile(r"DO NOT MATCH THE HASHES|do not match the hashes"),
        "a downloaded file is not the one of {lock}; check the proxy or mirror between this machine and PyPI",
    ),
    (
        re.compile(r"No matching distribution found for ([\w.\[\]=<>!~-]+)"),
        "the package index has no {match} for Python {python} on this platform; use Python 3.11, 3.12 or 3.13 "
        "(make clean, then make run PYTHON=/path/to/python), or another index (PIP_INDEX_URL)",
    ),
    (re.compile(r"Permission denied|Errno 13\b"), "{folder} is not writable for this user; check its owner"),
    (re.compile(r"No module named pip\b"), "{folder} has no pip; run make clean and try again"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.install", description=__doc__)
    parser.add_argument("lock", help="a requirements file with hashes")
    parser.add_argument("--log", type=Path, default=Path(sys.prefix) / "install.log", help="file for pip's output")
    options = parser.parse_args(arguments)
    result = subprocess.run(
        [sys.executable, "-m", "pip", *_PIP, options.lock],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode == 0:
        return 0
    reason = failure_reason(result.stdout, options.lock)
    log = f" pip's output: {options.log}" if _write_log(options.log, result.stdout) else ""
    print(f"Installation failed: {reason}.{log}", file=sys.stderr)
    return 1


def failure_reason(output: str, lock: str) -> str:
    """One clause: why pip failed, and the remedy. `output`: what pip printed."""
    for lines in (_errors(output), output):
        for pattern, text in _REASONS:
            if match := pattern.search(lines):
                python = ".".join(map(str, sys.version_info[:2]))
                name = match[1] if match.re.groups else ""
                return text.format(folder=sys.prefix, lock=lock, python=python, match=name)
    printed = [line.strip() for line in output.splitlines() if line.strip()]
    return (printed[-1] if printed else "pip ended without a message").rstrip(".")


def _errors(output: str) -> str:
    """pip's lines of errors. Warnings, such as of a connection that was lost and established again, are not the reason.
    Without any version of a package, the error does not state whether the index was reached; the warnings do."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    if any("(from versions: none)" in line for line in errors):
        return ""
    return "\n".join(errors)


def _write_log(file: Path, output: str) -> bool:
    try:
        file.write_text(output, encoding="utf-8")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
