"""The services of docker-compose.yml, as a project of its own with an empty .env."""

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
    """A check failed; the message is one line."""


def docker(*arguments: str) -> str:
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    if result.returncode:
        raise TrialFailed(f"docker {' '.join(arguments[:6])}: {result.stderr.strip()[-600:]}")
    return result.stdout.strip()


def build() -> None:
    """Builds the images. BUILD_FLAGS are further arguments, such as `--network host` if the build has no network."""
    for image, file in IMAGES.items():
        docker("build", "-q", *os.environ.get("BUILD_FLAGS", "").split(), "-f", file, "-t", image, ".")


def megabytes(image: str) -> tuple[float, float]:
    """(size of the image, size without its base image), in MB."""
    base = docker("image", "inspect", "-f", "{{.Size}}", os.environ.get("PYTHON_IMAGE", "python:3.11-slim-bookworm"))
    size = int(docker("image", "inspect", "-f", "{{.Size}}", image))
    return size / 1e6, (size - int(base)) / 1e6


def wait_for(description: str, seconds: float, ready: Callable[[], bool]) -> float:
    """The seconds until `ready` returns true. Raises TrialFailed after `seconds`."""
    started_at = time.monotonic()
    while not ready():
        if time.monotonic() - started_at > seconds:
            raise TrialFailed(f"{description}: not within {seconds:.0f} s")
        time.sleep(0.25)
    return time.monotonic() - started_at


class Compose:
    def __init__(self) -> None:
        self.command = _compose_command()
        with tempfile.NamedTemporaryFile(prefix="empty", suffix=".env", delete=False) as empty:
            self._env_file = empty.name
        # Settings of the user who runs the trial must not reach the containers.
        inherited = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_API_VERSION")
        self._environment = {name: os.environ[name] for name in inherited if name in os.environ}

    @property
    def version(self) -> str:
        command = [*self.command, "version", "--short"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [*self.command, "-p", PROJECT, "--env-file", self._env_file, *arguments]
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=self._environment,
        )
        if check and result.returncode:
            raise TrialFailed(f"compose {' '.join(arguments)}: {result.stderr.strip()[-800:]}")
        return result

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Starts a command without waiting for its end."""
        command = [*self.command, "-p", PROJECT, "--env-file", self._env_file, *arguments]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=self._environment,
        )

    def take_down(self) -> None:
        self.run("down", "-v", "--remove-orphans", check=False)

    def close(self) -> None:
        Path(self._env_file).unlink(missing_ok=True)

    def container(self, service: str) -> str:
        """The id of the service's container."""
        labels = (
            f"label=com.docker.compose.project={PROJECT}",
            f"label=com.docker.compose.service={service}",
            "label=com.docker.compose.oneoff=False",
        )
        return docker("ps", "-aq", *[part for label in labels for part in ("--filter", label)])

    def inspect(self, service: str) -> dict[str, Any]:
        containers: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)))
        return containers[0]

    def healthy(self, services: Sequence[str] = SERVICES) -> bool:
        states = [self.inspect(service)["State"] for service in services]
        return all(state["Running"] and state.get("Health", {}).get("Status") == "healthy" for state in states)

    def start_times(self) -> dict[str, datetime]:
        started = {name: self.inspect(name)["State"]["StartedAt"] for name in SERVICES}
        return {name: datetime.fromisoformat(text[:19]) for name, text in started.items()}

    def leftovers(self) -> list[str]:
        """Ids of the project's containers, volumes and networks."""
        label = f"label=com.docker.compose.project={PROJECT}"
        kinds = (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"])
        return [line for kind in kinds for line in docker(*kind, "--filter", label).split()]


def _compose_command() -> list[str]:
    """The command in COMPOSE, else the plugin `docker compose` if it is installed, else `docker-compose`."""
    if command := os.environ.get("COMPOSE", "").split():
        return command
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]
