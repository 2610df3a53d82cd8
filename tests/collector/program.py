"""The collector's command line as processes of its own, forked from one that has its packages loaded: loading them
takes ten times as long as most of what tests ask for."""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MOST_SECONDS = 60


def collector(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m collector ARGUMENTS` with no more settings than these, to its end."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        files = [f"/proc/{os.getpid()}/fd/{each.fileno()}" for each in (out, err)]
        asked = {"arguments": arguments, "environment": clean(environment), "files": files, "folder": str(Path.cwd())}
        loaded = _loaded()
        assert loaded.stdin
        assert loaded.stdout
        loaded.stdin.write(json.dumps(asked) + "\n")
        loaded.stdin.flush()
        code = int(loaded.stdout.readline())
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def clean(environment: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPYCACHEPREFIX") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | environment


@cache
def _loaded() -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.collector.program"], cwd=ROOT, env=clean({}), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(process.communicate)
    return process


def _serve() -> None:
    import collector.__main__

    # It is run anew each time, as python -m does.
    assert sys.modules.pop("collector.__main__") is collector.__main__
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(arguments: list[str], environment: dict[str, str], files: list[str], folder: str) -> None:
    signal.alarm(_MOST_SECONDS)
    for number, path in enumerate([os.devnull, *files]):
        os.dup2(os.open(path, os.O_RDWR), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    runpy.run_module("collector", run_name="__main__", alter_sys=True)
    raise SystemExit(0)


if __name__ == "__main__":
    _serve()
