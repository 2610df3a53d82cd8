"""Many people at once, without their browsers: each a websocket that speaks as Streamlit's pages do."""

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
    """Spans in milliseconds, from asking for a rerun to the message that it is finished."""

    milliseconds: list[float] = field(default_factory=list)
    kilobytes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Session:
    """As a page does, it keeps large messages and says so, so that they are not sent again."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._kept: list[str] = []
        self._page = ""

    async def rerun(self, query: str) -> tuple[float, str | None]:
        """Kilobytes that came, and what went wrong."""
        state = ClientState(query_string=query, cached_message_hashes=self._kept[-500:], page_script_hash=self._page)
        await self._connection.send(BackMsg(rerun_script=state).SerializeToString())
        size, wrong = 0, None
        while True:
            data = await self._connection.recv()
            size += len(data)
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            if message.metadata.cacheable:
                self._kept.append(message.hash)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._page = message.new_session.page_script_hash
            elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
                wrong = message.delta.new_element.exception.message or "an exception"
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return size / 1024, wrong


async def open_session(url: str) -> Session:
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    return Session(await connect(address, subprotocols=["streamlit"], max_size=_MAX_BYTES))  # type: ignore[list-item]


async def first_runs(url: str, count: int, query: str = "") -> list[Session]:
    """That many sessions, each of which has drawn its page once, one after the other."""
    found = []
    for _ in range(count):
        session = await open_session(url)
        await session.rerun(query)
        found.append(session)
    return found


async def rerun_sessions(
    sessions: list[Session], query_of: Callable[[int], str], *, seconds: float, interval_seconds: float
) -> SessionLoad:
    """Each session asks every `pace` seconds, or at once where the answer took longer. `query_of` is given the number
    of the question."""
    found, numbers = SessionLoad(), iter(range(10**9))
    end = time.perf_counter() + seconds

    async def one(session: Session, place: int) -> None:
        await asyncio.sleep(interval_seconds * place / len(sessions))
        while time.perf_counter() < end:
            begun = time.perf_counter()
            size, wrong = await session.rerun(query_of(next(numbers)))
            found.milliseconds.append((time.perf_counter() - begun) * 1000)
            found.kilobytes.append(size)
            if wrong:
                found.errors.append(wrong)
            await asyncio.sleep(max(0.0, begun + interval_seconds - time.perf_counter()))

    await asyncio.gather(*(one(session, place) for place, session in enumerate(sessions)))
    return found
