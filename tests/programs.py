"""The product's programs as processes of their own, forked from one that has their packages loaded: loading them takes
longer than most of what tests ask of them."""

import atexit
import gc
import importlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
_ONE_AFTER_THE_OTHER = threading.Lock()
# What programs import only after their start. Nothing of app: Streamlit's caches need its runtime.
_LATER = {
    "streamlit": ("pandas", "pyarrow", "httptools", "uvicorn.main", "db.migrate", "health.completeness.service",
                  "health.metrics.service"),
    "uvicorn": ("api.main", "httptools"),
}  # fmt: skip


class Program:
    """As far as tests need it, what subprocess.Popen is. What it prints goes into files, which never are full."""

    def __init__(self, pid: int, outputs: tuple[IO[str], ...]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._outputs = outputs

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        ends = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > ends:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """At once, without a farewell: kill -9."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Ends it, and forgets what it printed."""
        self.kill()
        self.wait(10)
        for file in self._outputs:
            file.close()

    def printed(self) -> str:
        """What stands on its stdout until now."""
        return os.pread(self._outputs[0].fileno(), 1_000_000, 0).decode()

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """Its end, and all that it printed but into a log; to be called once."""
        self.wait(timeout)
        said = ["", ""]
        for place, file in enumerate(self._outputs):
            with file:
                file.seek(0)
                said[place] = file.read()
        return said[0], said[1]


def start(
    module: str, *arguments: str, environment: Mapping[str, str], log: IO[str] | None = None, folder: Path = ROOT,
    alarm: int = 0, descriptors: int = 0,
) -> Program:  # fmt: skip
    """`python -m MODULE ARGUMENTS` with no more variables than these. With `log` both outputs go there; with `alarm`
    it is ended after so many seconds; with `descriptors` it may have so many files open."""
    # Its Program closes them.
    own = () if log else (tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+"))  # noqa: SIM115
    files = [f"/proc/{os.getpid()}/fd/{each.fileno()}" for each in (own or (log, log)) if each]
    pid = _ask(module=module, arguments=arguments, environment=clean(environment), files=files, folder=str(folder),
               alarm=alarm, descriptors=descriptors)  # fmt: skip
    return Program(pid, own)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPYCACHEPREFIX") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **environment}


def _ask(**what: Any) -> Any:
    loaded = _loaded()
    assert loaded.stdin
    assert loaded.stdout
    with _ONE_AFTER_THE_OTHER:
        loaded.stdin.write(json.dumps(what) + "\n")
        loaded.stdin.flush()
        return json.loads(loaded.stdout.readline())


def _clock() -> dict[str, str]:
    """What makes a program show another time than it is (tests.chaos.clocks): who is forked shows it, too."""
    return {name: os.environ[name] for name in ("LD_PRELOAD", "CHAOS_CLOCK") if "CHAOS_CLOCK" in os.environ}


@cache
def _loaded() -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.programs"], cwd=ROOT, env=clean(_clock()), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(process.communicate)
    return process


def _serve() -> None:
    living: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if "ended" in asked:
            pid, status = os.waitpid(asked["ended"], os.WNOHANG)
            living.discard(pid)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            _load(asked["module"])
            if (answer := os.fork()) == 0:
                _become(**asked)
            living.add(answer)
        print(json.dumps(answer), flush=True)
    for pid in living:
        os.kill(pid, signal.SIGKILL)


@cache
def _load(module: str) -> None:
    is_package = hasattr(importlib.import_module(module), "__path__")
    importlib.import_module(f"{module}.__main__" if is_package else module)
    for later in _LATER.get(module, ()):
        importlib.import_module(later)
    # The garbage collector of a program would go through all of it, and copy its pages.
    gc.collect()
    gc.freeze()


def _become(
    module: str, arguments: list[str], environment: dict[str, str], files: list[str], folder: str, alarm: int,
    descriptors: int,
) -> None:  # fmt: skip
    signal.alarm(alarm)
    if descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    for number, path in enumerate([os.devnull, *files]):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    # Runs the module anew, as python -m does: runpy warns of one that is loaded, and other programs may have loaded it.
    sys.modules.pop(f"{module}.__main__", None)
    if not hasattr(sys.modules[module], "__path__"):
        del sys.modules[module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    raise SystemExit(0)


if __name__ == "__main__":
    _serve()
