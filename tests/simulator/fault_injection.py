"""Random faults between GitHub and its clients, several kinds at once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Send

from demo.github.extension import SearchIndex
from demo.github.responses import STORAGE_PATH, GitHubError, json_response
from demo.world.model import Run
from demo.world.seeded_random import seeded_fraction, seeded_random

_PAGE = (
    "<!DOCTYPE html>\n<html>\n<head><title>Unicorn! &middot; GitHub</title></head>\n"
    "<body><p>No server is currently available to service your request.</p></body>\n</html>\n"
)
_SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


class Fault(StrEnum):
    """CUT_SHORT announces the length that it sends, CUT_OFF the full length. SECONDARY_BARE has no Retry-After.
    STALE_LIST affects lists with a filter only. NEW_RUN and DELETED_RUN change the account before a page other than
    the first is listed."""

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
    """Rate of each fault: a share in [0, 1] of the requests that it can affect."""

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
        """Return rates that are 0 for all other faults."""
        return cls(**{**{rate.name: 0.0 for rate in fields(cls)}, **rates})


@dataclass
class Chaos:
    """Injects faults into a world whose `chaos` it is. `stall_seconds`: delay of a stalled response. `retry_after`:
    seconds in a secondary rate limit response. `stale_minutes`: maximum age of a stale list. `counts`: number of
    injected faults."""

    seed: str = "chaos"
    rates: Rates = field(default_factory=Rates)
    stall_seconds: float = 60
    retry_after: int = 2
    stale_minutes: float = 10
    counts: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng, self.active = seeded_random(self.seed), True

    def stop(self) -> None:
        self.active = False

    def pick_fault(self, request: Request) -> Fault | None:
        """Return the fault of the response to this request; there is at most one."""
        if not self.active:
            return None
        storage = request.scope["path"].startswith(STORAGE_PATH)
        faults = [fault for fault in _RESPONSE_FAULTS if not (storage and fault.startswith("secondary"))]
        draw = self.rng.random()
        for fault in faults:
            draw -= getattr(self.rates, fault)
            if draw < 0:
                self.count(fault)
                return fault
        return None

    def search_index(self) -> SearchIndex:
        """Return the index of a list with a filter: current, or old, partial or empty."""
        if not self.active or self.rng.random() >= self.rates.stale_list:
            return SearchIndex()
        self.count(Fault.STALE_LIST)
        lag = timedelta(minutes=self.stale_minutes * self.rng.uniform(0.3, 1))
        kind, key = self.rng.randrange(3), f"stale:{self.rng.random()}"
        share = self.rng.uniform(0.2, 0.9)
        partly = SearchIndex(includes=partial(_is_indexed, key, share))
        return (SearchIndex(lag), partly, SearchIndex(lag, partial(_is_indexed, key, 0)))[kind]

    def replacement(self, fault: Fault, limit_headers: dict[str, str]) -> Response | None:
        """Return the response that replaces the real one. `limit_headers`: headers about the primary rate limit."""
        if fault is Fault.BAD_GATEWAY:
            return json_response({"message": "Server Error"}, 502)
        if fault in (Fault.HTML, Fault.HTML_503):
            return HTMLResponse(_PAGE, 200 if fault is Fault.HTML else 503)
        if fault in (Fault.SECONDARY, Fault.SECONDARY_BARE):
            retry = {} if fault is Fault.SECONDARY_BARE else {"retry-after": str(self.retry_after)}
            return GitHubError(403, _SECONDARY, {**limit_headers, **retry}).response()
        return None

    def count(self, fault: Fault) -> None:
        self.counts[fault] += 1


_RESPONSE_FAULTS = tuple(fault for fault in Fault if fault not in ("stale_list", "new_run", "deleted_run"))


def _is_indexed(key: str, share: float, run: Run) -> bool:
    return seeded_fraction(key, run.id) < share


@dataclass(frozen=True)
class FaultContext:
    """One request and the means to respond to it. `record` takes the status before it is sent, 0 for a connection that
    is dropped."""

    request: Request
    send: Send
    respond: Callable[[], Response]
    record: Callable[[int], None]
    limit_headers: dict[str, str]


async def inject(fault: Fault, chaos: Chaos, context: FaultContext) -> None:
    """Send the response with the fault."""
    send, receive = context.send, context.request.receive
    if fault is Fault.RESET:
        context.record(0)
        await drop_connection(receive, send, flush=False)
        return
    if fault is Fault.STALL:
        await asyncio.sleep(chaos.stall_seconds)
    response = chaos.replacement(fault, context.limit_headers) or context.respond()
    half = bytes(response.body)[: max(len(response.body) // 2, 1)]
    if fault is Fault.CUT_SHORT:
        response.body, response.headers["content-length"] = half, str(len(half))
    if fault is Fault.CUT_OFF and half:
        context.record(0)
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await drop_connection(receive, send, flush=True)
        return
    context.record(response.status_code)
    await response(context.request.scope, receive, send)


async def drop_connection(receive: Receive, send: Send, *, flush: bool) -> None:
    """End the connection; with `flush` after the bytes that were sent have left.

    ASGI has no message that closes the connection; uvicorn's object behind `send` has the transport."""
    transport = getattr(send, "__self__").transport  # noqa: B009
    if flush:
        transport.close()
    else:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
