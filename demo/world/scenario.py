"""Episodes that are planted in the account: breakages, slowdowns, flakiness and queues that a dashboard shows.

- broken: every completed run on the default branch fails with the same cause.
  payments CI since 7 to 31 hours before the start ("broken now");
  one workflow of `_WEEKLY` in five of six calendar weeks, for up to 30 hours ("fixed since");
  the CI of `_DAILY` in turn, every day after the start from 06:00 for 31 hours, so at any time one CI is broken;
  mobile-app CI for 14 minutes every three hours after the start, so alerts open and resolve within a demo.
- slow: runs take `factor` times as long from one commit on. api-gateway CI, since about 9 days before the start.
- flaky: `factor` is the share of runs that fail and pass when run again. web-app E2E, rising in the last 18 days.
- queue: jobs wait `factor` times as long for macOS runners in the afternoons (UTC) of working days, since 7 days
  before the start.

Weekly episodes depend on the calendar alone; the others on the start of the account, which the state file stores.
Only weekly episodes reach back further than 18 days from the start, so older history is the same for every start."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.world.seeded_random import seeded_fraction


@dataclass(frozen=True)
class Episode:
    """In force in [start, end). `workflow` "*" stands for all workflows of the repository."""

    kind: str
    repo: str
    workflow: str
    start: datetime
    end: datetime
    cause: str | None = None
    factor: float = 1.0
    label: str | None = None
    note: str = ""

    def applies(self, repo: str, workflow: str, moment: datetime) -> bool:
        return self.start <= moment < self.end and self.repo == repo and self.workflow in (workflow, "*")


_WEEKLY = (
    ("web-app", "CI", "typescript"), ("infra", "Terraform", "terraform_plan"), ("data-platform", "CI", "python_assert"),
    ("mobile-app", "Build", "gradle"), ("api-gateway", "Integration", "docker_limit"),
    ("web-app", "E2E", "playwright_timeout"), ("api-gateway", "CI", "go_test"),
    ("data-platform", "Pipelines", "registry_timeout"), ("web-app", "Deploy", "disk_full"),
)  # fmt: skip
_DAILY = (
    ("web-app", "CI", "typescript"), ("data-platform", "CI", "python_assert"), ("infra", "CI", "terraform_plan"),
    ("api-gateway", "CI", "go_test"), ("payments", "CI", "jvm_test"),
)  # fmt: skip
_QUIET_WEEK = 6
# Hour of the day (UTC) and hours.
_BREAKS_AT, _BROKEN_HOURS, _MIN_AGE_HOURS = 6, 31, 7
# Hours between pulses; minutes.
_PULSE_INTERVAL, _PULSE_START, _PULSE_LENGTH = 3, 20, 14
# Days before the start of the first and the last day, and the share of flaky runs.
_FLAKY = ((18, 12, 0.10), (12, 6, 0.17), (6, None, 0.26))
_FLAKY_BASELINE = 0.03
_FOREVER = timedelta(days=36_500)


class Scenario:
    """Episodes of an account that was created at `start` with a history of `days`."""

    def __init__(self, seed: str, start: datetime, days: int) -> None:
        self._seed, self._start = seed, start
        self.first_day = _midnight(start - timedelta(hours=_BREAKS_AT + _MIN_AGE_HOURS))
        self._lasting = [self._current(), *_lasting(start, days)]
        self._weekly: dict[int, Episode | None] = {}

    def episodes(self, since: datetime, until: datetime) -> list[Episode]:
        """Return the episodes that overlap [since, until], the current breakage first, without the 14-minute pulses."""
        weeks = (self._week(number) for number in range(_week_of(since), _week_of(until) + 1))
        days = (self._day(self.first_day + timedelta(days=n)) for n in range(1, (until - self.first_day).days + 2))
        episodes = [*self._lasting, *(episode for episode in weeks if episode), *days]
        return [episode for episode in episodes if episode.start <= until and episode.end > since]

    def broken(self, repo: str, workflow: str, moment: datetime) -> Episode | None:
        """Return the breakage that is in force."""
        breakages = self._breakages(moment)
        return next((episode for episode in breakages if episode.applies(repo, workflow, moment)), None)

    def factor(self, kind: str, repo: str, workflow: str, moment: datetime, default: float) -> float:
        """Return the factor of the episode of this kind that is in force, or the default."""
        active = (e for e in self._lasting if e.kind == kind and e.applies(repo, workflow, moment))
        return next((episode.factor for episode in active), default)

    def _breakages(self, moment: datetime) -> Iterator[Episode]:
        yield self._lasting[0]
        weekly = self._week(_week_of(moment))
        if weekly:
            yield weekly
        if moment < self._start:
            return
        today = _midnight(moment)
        for day in (today - timedelta(days=1), today):
            if day > self.first_day:
                yield self._day(day)
        yield _pulse(moment)

    def _current(self) -> Episode:
        begins = self.first_day + timedelta(hours=_BREAKS_AT)
        return Episode(
            "broken", "payments", "CI", begins, begins + timedelta(hours=_BROKEN_HOURS), "jvm_test",
            note="broken now: a split payment rounds up instead of down",
        )  # fmt: skip

    def _day(self, day: datetime) -> Episode:
        repo, workflow, cause = _DAILY[((day - self.first_day).days - 1) % len(_DAILY)]
        begins = day + timedelta(hours=_BREAKS_AT)
        end = begins + timedelta(hours=_BROKEN_HOURS)
        return Episode("broken", repo, workflow, begins, end, cause, note="the breakage of the day")

    def _week(self, number: int) -> Episode | None:
        """Return the episode of a calendar week. It begins by Thursday in working hours and
        ends within its week."""
        if number not in self._weekly:
            self._weekly[number] = None if number % _QUIET_WEEK == 0 else self._weekly_episode(number)
        return self._weekly[number]

    def _weekly_episode(self, number: int) -> Episode:
        repo, workflow, cause = _WEEKLY[number % len(_WEEKLY)]
        monday = datetime.fromordinal(number * 7 + 1).replace(tzinfo=self._start.tzinfo)
        begins = monday + timedelta(days=int(seeded_fraction(self._seed, "day", number) * 4), hours=8)
        begins += timedelta(minutes=int(seeded_fraction(self._seed, "minute", number) * 360))
        hours = 8 + 22 * seeded_fraction(self._seed, "length", number)
        return Episode("broken", repo, workflow, begins, begins + timedelta(hours=hours), cause, note="fixed since")


def _lasting(start: datetime, days: int) -> Iterator[Episode]:
    end = start + _FOREVER
    slow = _midnight(start) - timedelta(days=9) + timedelta(hours=10, minutes=40)
    yield Episode("slow", "api-gateway", "CI", slow, end, factor=1.8, note="from one commit on, 80 % slower")
    for first, last, share in _FLAKY:
        until = start - timedelta(days=last) if last else end
        since = start - timedelta(days=first)
        yield Episode("flaky", "web-app", "E2E", since, until, factor=share, note="more flaky every week")
    calm = start - timedelta(days=_FLAKY[0][0])
    yield Episode("flaky", "web-app", "E2E", start - timedelta(days=days + 400), calm, factor=_FLAKY_BASELINE)
    for repo in ("mobile-app", "web-app"):
        since = start - timedelta(days=7)
        yield Episode("queue", repo, "*", since, end, factor=14.0, label="macos-14", note="too few macOS runners")


def _pulse(moment: datetime) -> Episode:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    begins = hour - timedelta(hours=hour.hour % _PULSE_INTERVAL - 1) + timedelta(minutes=_PULSE_START)
    end = begins + timedelta(minutes=_PULSE_LENGTH)
    return Episode("broken", "mobile-app", "CI", begins, end, "npm_resolve", note="a short one")


def _week_of(moment: datetime) -> int:
    return (moment.toordinal() - 1) // 7


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
