"""A login's provider whose answers drip or never end: each comes to an end, and takes no memory to speak of."""

import asyncio
import itertools
import resource
import time
import zlib

import httpx2
import pytest
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App

from app.server import oidc as bounds
from tests.app import provider as known
from tests.slow_servers import ANSWERS, HEAD, Pieces, serving


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "TIMEOUT_SECONDS", 1.0)


async def ask(address: str) -> httpx2.Response:
    async with bounds._LimitedClient() as client:
        answer: httpx2.Response = await client.request("GET", address, withhold_token=True)
        return answer


def packed() -> Pieces:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    body = b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()
    length = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return itertools.chain([(0.0, HEAD + length)], [(0.0, body)])


@pytest.mark.parametrize("name", [*ANSWERS, "a packed body"])
def test_an_answer_of_a_provider_comes_to_an_end(name: str) -> None:
    begun, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving({**ANSWERS, "a packed body": packed}[name]) as port, pytest.raises(httpx2.HTTPError):
        asyncio.run(ask(f"http://127.0.0.1:{port}/"))
    assert time.monotonic() - begun < 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 60_000


def test_a_good_answer_is_read() -> None:
    with known.provider() as found:
        answer = asyncio.run(ask(found.metadata))
    assert answer.json()["issuer"] == found.url


def test_streamlit_asks_a_provider_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StarletteOAuth2App, "client_cls", StarletteOAuth2App.client_cls)
    bounds.limit_responses()
    registry = OAuth()
    with serving(ANSWERS["a body that drips"]) as port:
        registry.register("default", server_metadata_url=f"http://127.0.0.1:{port}/", client_id="dashboard")
        with pytest.raises(httpx2.ReadTimeout, match=r"127\.0\.0\.1 did not answer completely"):
            asyncio.run(registry.create_client("default").load_server_metadata())
