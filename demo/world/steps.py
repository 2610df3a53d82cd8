"""Steps of a job. The main step takes most of the time and fails where the job fails."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from demo.world.model import Job


@dataclass(frozen=True)
class Step:
    """`weight` is the step's share of the job's time. `command` is None for steps of the runner itself."""

    name: str
    weight: float
    command: str | None = None
    main: bool = False


_SET_UP = {
    "node": Step("Run actions/setup-node@v5", 1.2, "actions/setup-node@v5"),
    "go": Step("Set up Go", 1.1, "actions/setup-go@v6"),
    "jvm": Step("Set up JDK 21", 1.5, "actions/setup-java@v5"),
    "swift": Step("Select Xcode 16.4", 0.8, "sudo xcode-select -s /Applications/Xcode_16.4.app"),
    "python": Step("Set up Python", 1.0, "actions/setup-python@v6"),
    "terraform": Step("Set up Terraform", 0.8, "hashicorp/setup-terraform@v3"),
}
_INSTALL = {
    "node": "npm ci", "go": "go mod download", "jvm": "./gradlew --no-daemon dependencies -q",
    "swift": "bundle install && bundle exec pod install", "python": "uv sync --frozen",
    "terraform": "terraform init -input=false",
}  # fmt: skip
_MAIN = {
    "lint": {
        "node": "npm run lint && npx tsc --noEmit", "go": "make vet", "jvm": "./gradlew check -x test",
        "swift": "swiftlint --strict", "python": "uv run ruff check .", "terraform": "terraform fmt -check -recursive",
    },
    "test": {
        "node": "npx jest --ci --coverage", "go": "go test -race ./...", "jvm": "./gradlew test",
        "swift": "xcodebuild test -scheme Pay", "python": "uv run pytest -q", "terraform": "terraform validate",
    },
    "build": {
        "node": "npm run build", "go": "goreleaser release --clean", "jvm": "./gradlew assemble",
        "swift": "bundle exec fastlane build", "python": "docker build .", "terraform": "make build",
    },
    "deploy": {"terraform": "terraform plan -input=false -lock-timeout=5m"},
    "e2e": {"node": "npx playwright test", "swift": "bundle exec fastlane screenshots"},
}  # fmt: skip
_MAIN_NAMES = {"lint": "Lint", "test": "Run tests", "build": "Build", "deploy": "Apply", "e2e": "Run end-to-end tests"}
_AFTER_MAIN = {
    "test": (Step("Upload coverage", 0.7, "codecov/codecov-action@v6"),),
    "build": (Step("Upload artifact", 1.1, "actions/upload-artifact@v5"),),
    "e2e": (Step("Upload traces", 0.9, "actions/upload-artifact@v5"),),
    "deploy": (Step("Notify", 0.2, "./scripts/notify.sh"),),
}


@lru_cache(maxsize=64)
def steps_of(kind: str, language: str) -> tuple[Step, ...]:
    """Return the steps of a job of this kind in a repository of this language."""
    command = _MAIN.get(kind, {}).get(language, "./scripts/run.sh")
    before = [Step("Set up job", 0.5), Step("Run actions/checkout@v5", 0.6, "actions/checkout@v5"), _SET_UP[language]]
    if kind in ("test", "build"):
        before.append(Step("Restore cache", 0.7, "actions/cache@v4"))
    if kind == "deploy":
        before.append(Step("Configure credentials", 0.4, "aws-actions/configure-aws-credentials@v5"))
    before.append(Step("Install dependencies", 2.4, _INSTALL[language]))
    if kind == "e2e":
        before.append(Step("Install browsers", 1.8, "npx playwright install --with-deps"))
    main = Step(_MAIN_NAMES.get(kind, "Run"), 15.0, command, main=True)
    after = (Step("Post Run actions/checkout@v5", 0.1), Step("Complete job", 0.1))
    return (*before, main, *_AFTER_MAIN.get(kind, ()), *after)


def step_intervals(job: Job, language: str, end: datetime) -> list[tuple[Step, datetime, datetime]]:
    """Return (step, begin, end) for a job that ends at `end`: consecutive intervals of whole seconds."""
    rng = random.Random(job.seed)
    steps = steps_of(job.kind, language)
    weights = [step.weight * (1.0 if step.main else rng.uniform(0.6, 1.5)) for step in steps]
    length, done, begin = (end - job.started).total_seconds(), 0.0, job.started
    intervals = []
    for step, weight in zip(steps, weights, strict=True):
        done += weight
        until = job.started + timedelta(seconds=round(length * done / sum(weights)))
        intervals.append((step, begin, until))
        begin = until
    return intervals


def step_number(step: Step, position: int) -> int:
    """Return the step's number in the API; `position` counts from 1.

    GitHub leaves a gap before the last steps, which are the runner's own."""
    return position + 4 if step.command is None and position > 1 else position


def step_count(job: Job, language: str, now: datetime) -> int:
    """Return how many steps the API lists at `now`."""
    return len(steps_of(job.kind, language)) if job.ran and now >= job.started else 0
