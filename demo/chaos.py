"""Everything that goes wrong between GitHub and whoever asks it, by chance and all at once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Send

from demo.dice import dice, fraction
from demo.gate import STORAGE, Refused, answer
from demo.mass import Mass
from demo.model import Repository, Run
from demo.world import World

_PAGE = (
    "<!DOCTYPE html>\n<html>\n<head><title>Unicorn! &middot; GitHub</title></head>\n"
    "<body><p>No server is currently available to service your request.</p></body>\n</html>\n"
)
_SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
# Only the newest are deleted: those that somebody may be paging through.
_DELETED_AMONG = 300


class Trouble(StrEnum):
    """CUT_SHORT says the length that it sends, CUT_OFF the one that it should have sent. A SECONDARY_BARE refusal does
    not say when to come back. STALE_LIST goes only to lists with a filter, NEW_RUN and DELETED_RUN change the account
    before a page after the first is answered."""

    BAD_GATEWAY = "bad_gateway"
    RESET = "reset"
    CUT_SHORT = "cut_short"
    CUT_OFF = "cut_off"
    HTML = "html"
    HTML_503 = "html_503"
    STALL = "stall"
    SECONDARY = "secondary"
    SECONDARY_BARE = "secondary_bare"
    STALE_LIST = "stale_list"
    NEW_RUN = "new_run"
    DELETED_RUN = "deleted_run"


@dataclass(frozen=True)
class Rates:
    """How often each trouble comes, in [0, 1] of the requests that it can come to."""

    bad_gateway: float = 0.01
    reset: float = 0.005
    cut_short: float = 0.005
    cut_off: float = 0.005
    html: float = 0.005
    html_503: float = 0.005
    stall: float = 0.001
    secondary: float = 0.003
    secondary_bare: float = 0.001
    stale_list: float = 0.3
    new_run: float = 0.05
    deleted_run: float = 0.005

    @classmethod
    def only(cls, **rates: float) -> "Rates":
        """These troubles, and none else."""
        return cls(**{**{each.name: 0.0 for each in fields(cls)}, **rates})


@dataclass(frozen=True)
class Stale:
    """An index that lags `age` behind, and of which only `share` of the runs can be seen, chosen by `key`."""

    age: timedelta
    share: float
    key: str

    def shows(self, run: Run) -> bool:
        return self.share == 1 or fraction(self.key, run.id) < self.share


@dataclass
class Chaos:
    """Set `world.chaos` to it. `stall_seconds` before a stalled answer; `retry_after`, in seconds, of a secondary
    refusal; `stale_minutes` that filtered lists lag behind. `counts`: what came how often."""

    seed: str = "chaos"
    rates: Rates = field(default_factory=Rates)
    stall_seconds: float = 60
    retry_after: int = 2
    stale_minutes: float = 10
    counts: Counter[Trouble] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rng, self._going_on = dice(self.seed), True

    def stop(self) -> None:
        self._going_on = False

    def befall(self, request: Request) -> Trouble | None:
        """What is wrong with the answer to this request: at most one thing."""
        if not self._going_on:
            return None
        fitting = [each for each in _OF_ANSWERS if not (each.startswith("secondary") and _is_storage(request))]
        drawn = self._rng.random()
        for trouble in fitting:
            drawn -= getattr(self.rates, trouble)
            if drawn < 0:
                return self._counted(trouble)
        return None

    def stale(self) -> Stale | None:
        """What a filtered list is answered from, where it is not the truth."""
        if not self._going_on or self._rng.random() >= self.rates.stale_list:
            return None
        self._counted(Trouble.STALE_LIST)
        lag = timedelta(minutes=self.stale_minutes * self._rng.uniform(0.3, 1))
        kind, key = self._rng.randrange(3), f"stale:{self._rng.random()}"
        return (Stale(lag, 1, key), Stale(timedelta(0), self._rng.uniform(0.2, 0.9), key), Stale(lag, 0, key))[kind]

    def refusal(self, trouble: Trouble, limits: dict[str, str]) -> Response | None:
        """What is said instead of the answer. `limits`: headers about the hourly one."""
        if trouble is Trouble.BAD_GATEWAY:
            return answer({"message": "Server Error"}, 502)
        if trouble in (Trouble.HTML, Trouble.HTML_503):
            return HTMLResponse(_PAGE, 200 if trouble is Trouble.HTML else 503)
        if trouble in (Trouble.SECONDARY, Trouble.SECONDARY_BARE):
            bare = trouble is Trouble.SECONDARY_BARE
            return Refused(
                403, _SECONDARY, limits if bare else {**limits, "retry-after": str(self.retry_after)}
            ).response()
        return None

    def shift(self, world: World, repository: Repository) -> None:
        """Pages move while somebody reads them: to be called before a page that is not the first."""
        if not self._going_on:
            return
        rng = self._rng
        if repository.workflows and rng.random() < self.rates.new_run:
            created = world.clock().replace(microsecond=0)
            workflow = rng.choice(list(repository.workflows.values()))
            Mass(world, rng).run(repository, workflow, created, over=False)
            self._counted(Trouble.NEW_RUN)
        if rng.random() < self.rates.deleted_run:
            newest = [run.id for run, _ in zip(world.newest(repository), range(_DELETED_AMONG), strict=False)]
            if newest:
                world.delete_run(rng.choice(newest))
                self._counted(Trouble.DELETED_RUN)

    def _counted(self, trouble: Trouble) -> Trouble:
        self.counts[trouble] += 1
        return trouble


_OF_ANSWERS = tuple(each for each in Trouble if each not in ("stale_list", "new_run", "deleted_run"))


@dataclass(frozen=True)
class Way:
    """How one request is answered. `limits`: headers about the hourly limit; `record` is told the status before
    anybody can know it, 0 where the connection breaks."""

    request: Request
    send: Send
    respond: Callable[[], Response]
    record: Callable[[int], None]
    limits: dict[str, str]


async def meet(trouble: Trouble, chaos: Chaos, way: Way) -> None:
    """Sends what is left of the answer."""
    send, receive = way.send, way.request.receive
    if trouble is Trouble.RESET:
        way.record(0)
        await hang_up(receive, send, flush=False)
        return
    if trouble is Trouble.STALL:
        await asyncio.sleep(chaos.stall_seconds)
    response = chaos.refusal(trouble, way.limits) or way.respond()
    half = bytes(response.body)[: max(len(response.body) // 2, 1)]
    if trouble is Trouble.CUT_SHORT:
        response.body, response.headers["content-length"] = half, str(len(half))
    if trouble is Trouble.CUT_OFF and half:
        way.record(0)
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await hang_up(receive, send, flush=True)
        return
    way.record(response.status_code)
    await response(way.request.scope, receive, send)


async def hang_up(receive: Receive, send: Send, *, flush: bool) -> None:
    """Ends the connection, after what was sent has left if `flush`. Only the server's own object behind `send` can."""
    transport = getattr(send, "__self__").transport  # noqa: B009
    if flush:
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_storage(request: Request) -> bool:
    return bool(request.scope["path"].startswith(STORAGE))
