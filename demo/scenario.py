"""What is planted in the history, so that there is something to find, and tests can look for it. All of it lies at
fixed distances from the world's anchor (the hour of the first start)."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Episode:
    """`kind`: broken (every decided run on the default branch fails), slow (`factor` × the duration), flaky
    (`factor` is the share of runs that fail at first and pass when run again), queue (`factor` × waiting)."""

    kind: str
    repo: str
    workflow: str
    start: datetime
    end: datetime
    cause: str | None = None
    factor: float = 1.0
    label: str | None = None

    def holds(self, repo: str, workflow: str, moment: datetime) -> bool:
        return self.repo == repo and self.workflow in (workflow, "*") and self.start <= moment < self.end


_BROKEN = (
    ("payments", "CI", 9.2, -48.0, "jvm_test"),
    ("web-app", "E2E", 54, 31, "playwright_timeout"),
    ("infra", "Terraform", 99, 76, "terraform_plan"),
    ("data-platform", "CI", 170, 166, "python_assert"),
    ("mobile-app", "Build", 291, 262, "npm_resolve"),
    ("api-gateway", "Integration", 390, 371, "docker_limit"),
    ("web-app", "CI", 515, 512, "typescript"),
    ("payments", "Nightly", 700, 610, "out_of_memory"),
    ("api-gateway", "CI", 1010, 1004, "go_test"),
)


def episodes(anchor: datetime) -> list[Episode]:
    """Hours before the anchor; the first one is going on now and ends two days after it."""

    def before(hours: float) -> datetime:
        return anchor - timedelta(hours=hours)

    planted = [
        Episode("broken", repo, workflow, before(start), before(end), cause)
        for repo, workflow, start, end, cause in _BROKEN
    ]
    far = anchor + timedelta(days=3650)
    planted.append(Episode("slow", "api-gateway", "CI", before(9 * 24), far, factor=1.45))
    for weeks, share in ((9, 0.03), (3, 0.07), (2, 0.12), (1, 0.2)):
        end = before((weeks - 1) * 168) if weeks < 9 else before(3 * 168)
        planted.append(Episode("flaky", "web-app", "E2E", before(weeks * 168), end if weeks > 1 else far, factor=share))
    planted.append(Episode("queue", "mobile-app", "*", before(7 * 24), far, factor=6.0, label="macos-14"))
    return planted
