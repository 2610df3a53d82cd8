"""The compose set under a name of its own, as somebody has it who started it with an empty .env."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT = "pipeline-health-trial"
IMAGES = {"pipeline-health-collector": "Dockerfile.collector", "pipeline-health-app": "Dockerfile.app"}
SERVICES = ("db", "redis", "github-demo", "collector", "api", "app")


class TrialFailed(Exception):
    """Something is not as it should be; the message says what."""


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise TrialFailed(f"docker {' '.join(arguments[:6])}: {done.stderr.strip()[-600:]}")
    return done.stdout.strip()


def build() -> None:
    """BUILD_FLAGS, for instance "--network host", where the build's containers have no network of their own."""
    for image, file in IMAGES.items():
        docker("build", "-q", *os.environ.get("BUILD_FLAGS", "").split(), "-f", file, "-t", image, ".")


def megabytes(image: str) -> tuple[float, float]:
    """(all of it, what comes on top of the base)."""
    base = docker("image", "inspect", "-f", "{{.Size}}", os.environ.get("PYTHON_IMAGE", "python:3.11-slim-bookworm"))
    size = int(docker("image", "inspect", "-f", "{{.Size}}", image))
    return size / 1e6, (size - int(base)) / 1e6


def wait_for(description: str, seconds: float, ready: Callable[[], bool]) -> float:
    """How long it took, in seconds; raises Failed when it takes longer than `seconds`."""
    started = time.monotonic()
    while not ready():
        if time.monotonic() - started > seconds:
            raise TrialFailed(f"{description}: not after {seconds:.0f} s")
        time.sleep(0.25)
    return time.monotonic() - started


class Compose:
    def __init__(self) -> None:
        self.command = _compose_command()
        with tempfile.NamedTemporaryFile(prefix="empty", suffix=".env", delete=False) as empty:
            self._env_file = empty.name
        # What the one who tries it has set must not reach the set.
        kept = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_API_VERSION")
        self._environment = {name: os.environ[name] for name in kept if name in os.environ}

    @property
    def version(self) -> str:
        command = [*self.command, "version", "--short"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [*self.command, "-p", PROJECT, "--env-file", self._env_file, *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            cwd=ROOT, env=self._environment,
        )  # fmt: skip
        if check and done.returncode:
            raise TrialFailed(f"compose {' '.join(arguments)}: {done.stderr.strip()[-800:]}")
        return done

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Of several that run at the same time."""
        command = [*self.command, "-p", PROJECT, "--env-file", self._env_file, *arguments]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=ROOT, env=self._environment,
        )  # fmt: skip

    def take_down(self) -> None:
        self.run("down", "-v", "--remove-orphans", check=False)

    def close(self) -> None:
        Path(self._env_file).unlink(missing_ok=True)

    def container(self, service: str) -> str:
        labels = (f"label=com.docker.compose.project={PROJECT}", f"label=com.docker.compose.service={service}",
                  "label=com.docker.compose.oneoff=False")  # fmt: skip
        return docker("ps", "-aq", *[part for label in labels for part in ("--filter", label)])

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)))
        return found[0]

    def healthy(self, services: Sequence[str] = SERVICES) -> bool:
        states = [self.inspect(service)["State"] for service in services]
        return all(state["Running"] and state.get("Health", {}).get("Status") == "healthy" for state in states)

    def restart_counts(self) -> dict[str, datetime]:
        return {each: datetime.fromisoformat(self.inspect(each)["State"]["StartedAt"][:19]) for each in SERVICES}

    def leftovers(self) -> list[str]:
        """Containers, volumes and networks of the set that are still there."""
        label = f"label=com.docker.compose.project={PROJECT}"
        kinds = (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"])
        return [line for kind in kinds for line in docker(*kind, "--filter", label).split()]


def _compose_command() -> list[str]:
    """COMPOSE names another one, such as docker-compose."""
    if chosen := os.environ.get("COMPOSE", "").split():
        return chosen
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]
