"""The steps of a job: the main one takes most of the time, and fails where the job fails."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from demo.model import Job
from demo.times import iso


@dataclass(frozen=True)
class Step:
    """`weight` is its share of the job's time; `command` null: the runner's own."""

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
_EXTRA = {
    "test": (Step("Upload coverage", 0.7, "codecov/codecov-action@v6"),),
    "build": (Step("Upload artifact", 1.1, "actions/upload-artifact@v5"),),
    "e2e": (Step("Upload traces", 0.9, "actions/upload-artifact@v5"),),
    "deploy": (Step("Notify", 0.2, "./scripts/notify.sh"),),
}


@lru_cache(maxsize=64)
def steps_of(kind: str, language: str) -> tuple[Step, ...]:
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
    return (*before, main, *_EXTRA.get(kind, ()), *after)


def spans(job: Job, language: str, end: datetime) -> list[tuple[Step, datetime, datetime]]:
    """Steps with whole seconds, one after the other, in a job that ends then."""
    rng = random.Random(job.seed)
    listed = steps_of(job.kind, language)
    weights = [step.weight * (1.0 if step.main else rng.uniform(0.6, 1.5)) for step in listed]
    length, done, found, begin = (end - job.started).total_seconds(), 0.0, [], job.started
    for step, weight in zip(listed, weights, strict=True):
        done += weight
        until = job.started + timedelta(seconds=round(length * done / sum(weights)))
        found.append((step, begin, until))
        begin = until
    return found


def steps(job: Job, language: str, now: datetime) -> list[dict[str, object]]:
    """As GitHub lists them up to now. The numbers have a gap before the runner's own last steps."""
    if not job.ran or now < job.started:
        return []
    found: list[dict[str, object]] = []
    planned = job.completed or max(now, job.started) + timedelta(minutes=1)
    failed = False
    for number, (step, begin, end) in enumerate(spans(job, language, planned), start=1):
        shown = number_of(step, number)
        last = shown != number
        conclusion = "success"
        if step.main and job.conclusion not in ("success", "neutral", None):
            conclusion, failed = ("cancelled" if job.conclusion == "cancelled" else "failure"), True
        elif failed and not last:
            conclusion = "skipped"
        found.append(_shown(shown, step.name, begin, end, conclusion, now, job.completed))
    return found


def number_of(step: Step, place: int) -> int:
    """There is a gap before the runner's own last steps. Places begin at 1."""
    return place + 4 if step.command is None and place > 1 else place


def step_count(job: Job, language: str, now: datetime) -> int:
    """How many steps() lists, without the work."""
    return len(steps_of(job.kind, language)) if job.ran and now >= job.started else 0


def _shown(
    number: int, name: str, begin: datetime, end: datetime, conclusion: str, now: datetime, over: datetime | None
) -> dict[str, object]:
    done, begun = over is not None and now >= end, now >= begin
    return {
        "name": name,
        "status": "completed" if done else ("in_progress" if begun else "queued"),
        "conclusion": conclusion if done else None,
        "number": number,
        "started_at": iso(begin) if begun else None,
        "completed_at": iso(end) if done else None,
    }
