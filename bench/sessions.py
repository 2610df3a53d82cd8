"""Load of many concurrent dashboard sessions without browsers, over the websocket protocol of Streamlit."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

_MAX_BYTES = 64 * 2**20


@dataclass
class SessionLoad:
    """Durations in milliseconds from the request of a rerun to its completion."""

    milliseconds: list[float] = field(default_factory=list)
    kilobytes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Session:
    """A session that reports cached messages as a page does, so that they are not sent again."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._cached: list[str] = []
        self._page = ""

    async def rerun(self, query: str) -> tuple[float, str | None]:
        """Returns the received kilobytes, and the error or null."""
        state = ClientState(query_string=query, cached_message_hashes=self._cached[-500:], page_script_hash=self._page)
        await self._connection.send(BackMsg(rerun_script=state).SerializeToString())
        size, error = 0, None
        while True:
            data = await self._connection.recv()
            size += len(data)
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            if message.metadata.cacheable:
                self._cached.append(message.hash)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._page = message.new_session.page_script_hash
            elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
                error = message.delta.new_element.exception.message or "an exception"
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return size / 1024, error


async def open_session(url: str) -> Session:
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    return Session(await connect(address, subprotocols=["streamlit"], max_size=_MAX_BYTES))  # type: ignore[list-item]


async def first_runs(url: str, count: int, query: str = "") -> list[Session]:
    """Opens that many sessions in turn, and returns them after each has drawn its page once."""
    sessions = []
    for _ in range(count):
        session = await open_session(url)
        await session.rerun(query)
        sessions.append(session)
    return sessions


async def rerun_sessions(
    sessions: list[Session], query_of: Callable[[int], str], *, seconds: float, interval_seconds: float
) -> SessionLoad:
    """Runs the load: each session reruns every `interval_seconds`, or at once where the response took longer.
    `query_of` returns the query of a rerun by its number."""
    result, numbers = SessionLoad(), iter(range(10**9))
    end = time.perf_counter() + seconds

    async def run(session: Session, index: int) -> None:
        await asyncio.sleep(interval_seconds * index / len(sessions))
        while time.perf_counter() < end:
            begun = time.perf_counter()
            size, error = await session.rerun(query_of(next(numbers)))
            result.milliseconds.append((time.perf_counter() - begun) * 1000)
            result.kilobytes.append(size)
            if error:
                result.errors.append(error)
            await asyncio.sleep(max(0.0, begun + interval_seconds - time.perf_counter()))

    await asyncio.gather(*(run(session, index) for index, session in enumerate(sessions)))
    return result
