"""The account, the programs around it, and what happens in it, by the dice of a seed."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from demo.webhooks.events import deliveries
from tests.chaos.scene import REPO, Running, Scene
from tests.chaos.test_redis import Redis
from tests.chaos.wire import Wire
from tests.simulator.webhooks import send as send_hooks

SECRET = "a secret of the webhook"


def now() -> datetime:
    """In the accelerated time."""
    return datetime.now(UTC)


@dataclass
class Report:
    """`hasty`: faults are shorter, and so are the leases of claims."""

    seed: str
    hours: float
    speed: float
    hasty: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    # When each of them was over, in seconds of time.monotonic.
    moments: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)


@dataclass
class Day:
    """Dice of their own decide what happens at GitHub, which webhooks come, and which faults: none depends on how quick
    the others were."""

    made: Scene
    report: Report
    github: Wire
    slack: Wire
    redis: Redis | None
    apis: list[str] = field(default_factory=list)
    broken: dict[str, bool] = field(default_factory=dict)
    _cards: list[str] = field(default_factory=list)
    # Runs of CI that nobody has finished, and by repository the one that is to be run again.
    going_on: list[int] = field(default_factory=list)
    failed: dict[str, int | None] = field(default_factory=dict)
    episodes: int = 0
    _told_to: datetime = field(default_factory=now)
    _programs: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._life, self._hooks, self.dice = (
            random.Random(f"{self.report.seed} {kind}") for kind in ("life", "hooks", "faults")
        )

    # Programs

    def start(self, module: str, name: str, **more: str) -> None:
        self._programs[name] = module, more
        self.running[name] = self.made.start(module, name, **more)

    def restart(self, name: str) -> None:
        """As a supervisor does."""
        self.made.programs.remove(self.running[name])
        module, more = self._programs[name]
        self.running[name] = self.made.start(module, name, **more)

    def ends(self) -> None:
        """Nothing may have ended by itself."""
        for name, program in self.running.items():
            assert program.poll() is None, f"{name} ended by itself: {self.made.log(name)[-2_000:]}"

    # What happens at GitHub

    def live(self) -> None:
        """A quarter of an hour of an account. CI fails now and then and never three times in a row; the services break
        and recover, each after the programs have told of the last."""
        world, dice = self.made.world, self._life
        for number in self.going_on:
            world.finish(number, dice.choice(("success", "success", "cancelled")))
        self.going_on.clear()
        for repo in world.repositories:
            for _ in range(dice.randint(0, 4)):
                self._run(repo)
        open_ones = {each.workflow_id for each in self.made.alerts() if each.resolved_at is None}
        flows = {each.name: each.id for each in world.repositories[REPO].workflows.values()}
        for name, is_broken in self.broken.items():
            if (dice.random() < 0.2 or not self.episodes) and (flows[name] in open_ones) is is_broken:
                self.turn(name)
        self._tell()

    def _run(self, repo: str) -> None:
        failed = self.failed.get(repo)
        if failed is not None:
            self.made.world.rerun(failed, at=now(), duration=5, queue=0)
            self.failed[repo] = None
            self.made.happens("CI", "success", repo=repo)
        elif self._life.random() < 0.2:
            (self.failed[repo],) = self.made.happens("CI", "failure", repo=repo)
        elif self._life.random() < 0.2:
            self.going_on.append(self.made.world.add_run(repo, "CI", conclusion=None, created_at=now(), jobs=3))
        else:
            self.made.happens("CI", "success", repo=repo)

    def turn(self, name: str) -> None:
        """It breaks, or recovers."""
        self.broken[name] = not self.broken[name]
        self.episodes += self.broken[name]
        self.made.happens(name, *(["failure"] * 3 if self.broken[name] else ["success"]))

    def _tell(self) -> None:
        """Webhooks of most of what happened, in any order, some of them twice; no API may be there to take them."""
        end = now()
        told = [each for each in deliveries(self.made.world, self._told_to, end) if self._hooks.random() < 0.8]
        self._hooks.shuffle(told)
        self._told_to = end
        if told and self.apis:
            send_hooks([*told, *told[:3]], f"{self._hooks.choice(self.apis)}/api/webhooks/github", SECRET, 200)

    # Faults

    def next_fault(self, names: Sequence[str]) -> str:
        """Each of them once, in any order, before any comes again."""
        if not self._cards:
            self._cards = sorted(names)
            self.dice.shuffle(self._cards)
        return self._cards.pop()

    def note(self, fault: str) -> None:
        """It is over."""
        self.report.faults[fault] += 1
        self.report.moments.append(time.monotonic())

    def a_collector(self) -> str:
        return self.dice.choice([name for name in self.running if name.startswith("collector")])

    def for_a_while(self, least: float = 0.5, most: float = 3.0) -> None:
        time.sleep(self.dice.uniform(least, most) * (0.3 if self.report.hasty else 1.0))
