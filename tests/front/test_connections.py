"""Connections that send nothing, half of something, or read nothing; and a process without descriptors."""

import asyncio
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.http import connections
from tests.front.programs import API, ROOT, Server, ask, head, serving
from tests.served import served

JSON = {"Content-Type": "application/json", "Content-Length": "1000"}


def _connected(server: Server, first: bytes) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    found.sendall(first)
    return found


def test_what_is_never_complete_is_ended_after_ten_seconds(open_api: Server, open_dashboard: Server) -> None:
    halves = {
        "nothing": b"", "half a line": b"GET /heal", "half a header": b"GET /health/live HTTP/1.1\r\nHost: loc",
        "half a second one": head(open_api, "GET", "/health/live") + b"GET / HTTP/1.1\r\nHo",
        "half a body": head(open_api, "POST", "/api/alerts/silences", JSON) + b"{",
    }  # fmt: skip
    started = time.monotonic()
    told: dict[tuple[int, str], bytes] = {}
    with selectors.DefaultSelector() as waiting:
        for server in (open_api, open_dashboard):
            for name, first in halves.items():
                if "body" not in name or server is open_api:
                    host = first.replace(b":%d\r\n" % open_api.port, b":%d\r\n" % server.port)
                    waiting.register(_connected(server, host), selectors.EVENT_READ, (server.port, name))
        while waiting.get_map():
            assert time.monotonic() - started < 16, [each.data for each in waiting.get_map().values()]
            for key, _ in waiting.select(1):
                piece = key.fileobj.recv(4096)  # type: ignore[union-attr]
                told[key.data] = told.get(key.data, b"") + piece
                if not piece:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
    assert time.monotonic() - started > 9
    # A pause between two requests ends without a word, as ever.
    assert {name for (_, name), each in told.items() if b" 408 " not in each} <= {"half a second one"}


def test_a_crowd_that_sends_nothing_keeps_nobody_out(stored: str, folder: Path) -> None:
    with serving(API, folder, descriptors=256, DATABASE_URL=stored) as server:
        crowd = [_connected(server, b"GET / HTTP/1.1\r\n") for _ in range(400)]
        assert ask(server, "GET", "/health/live", seconds=5).status == 200
        assert ask(server, "GET", "/api/runs", seconds=5).status == 200
        log = server.log.read_text()
        for each in crowd:
            each.close()
    assert log.count("128 connections are open") == 1


def test_used_up_descriptors_are_a_line_in_the_log() -> None:
    script = """
import asyncio, logging, os, resource
from core.http.connections import watch_descriptors
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
async def main():
    watch = asyncio.create_task(watch_descriptors(0.01))
    await asyncio.sleep(0.05)
    print("so far", flush=True)
    try:
        while True:
            os.dup(0)
    except OSError:
        await asyncio.sleep(0.2)
    watch.cancel()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "so far\n"
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("All 40 file descriptors are in use")


def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the one that sends to it goes on."""
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.5)
    connections.limit_connections()
    over = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while (await asyncio.wait_for(receive(), 0.001))["type"] != "http.disconnect":
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        except TimeoutError:
            for _ in range(64):
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        finally:
            over.set()

    with served(endless, lifespan="off") as port, socket.create_connection(("127.0.0.1", port)) as reader:
        reader.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert over.wait(10)


@pytest.mark.parametrize(("pause_seconds", "whole"), [(0.02, True), (0.6, False)])
def test_a_reader_that_takes_little_at_a_time_gets_all_of_it(
    monkeypatch: pytest.MonkeyPatch, pause_seconds: float, whole: bool
) -> None:
    """Of an answer that is longer than the buffers of both ends; unless it is next to nothing."""
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.5)
    connections.limit_connections()
    size, taken = 24 * 2**20, 0

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(size)})

    with served(large, lifespan="off") as port, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        reader.settimeout(20)
        reader.connect(("127.0.0.1", port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        began, piece = time.monotonic(), b"?"
        with suppress(ConnectionError):
            # Slowly for two seconds, and then what is left.
            while piece:
                slow = time.monotonic() - began < 2
                time.sleep(pause_seconds if slow else 0)
                piece = reader.recv(64 * 1024 if whole or not slow else 100)
                taken += len(piece)
    assert (taken > size) == whole
