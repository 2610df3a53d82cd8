"""Answers of GitHub and of its storage that drip, never end, or unpack to more than anybody sends."""

import gzip
import ipaddress
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from collector.github import addresses, transport
from collector.github.addresses import LogHosts, address_scope
from collector.github.client import GitHubClient
from collector.github.errors import GitHubError, InvalidResponse
from core.http.client import ResponseLimits
from tests.collector.servers import Asked, Reply, StandIn, as_json
from tests.slow_servers import ANSWERS, HEAD, after_head, serving


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LIMITS", ResponseLimits(max_seconds=1.0, max_bytes=2_000_000))
    quick = ResponseLimits(max_seconds=1.0, max_bytes=2_000_000, bytes_per_second=10_000.0, max_total_seconds=3.0)
    monkeypatch.setattr(transport, "DOWNLOAD_LIMITS", quick)
    monkeypatch.setattr(addresses, "LIMITS", quick)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_the_api_comes_to_an_end(name: str) -> None:
    with serving(ANSWERS[name]) as port:
        client, begun = GitHubClient(f"http://127.0.0.1:{port}", "t", sleep=lambda _: None), time.monotonic()
        with pytest.raises(GitHubError) as caught:
            client.get("/repos/acme/web")
    assert time.monotonic() - begun < 8
    assert str(caught.value).count("\n") == 0


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("name", ANSWERS)
def test_a_download_comes_to_an_end(name: str) -> None:
    with serving(ANSWERS[name]) as port, redirecting(f"http://127.0.0.1:{port}/log") as url:
        begun = time.monotonic()
        with (
            pytest.raises(Exception, match=r"."),
            GitHubClient(url, "t", sleep=lambda _: None).download("/log") as response,
        ):
            for _ in response.iter_content(65_536):
                pass
    assert time.monotonic() - begun < 8


@pytest.mark.usefixtures("_short")
def test_a_slow_download_within_the_least_rate_is_waited_for() -> None:
    body = b"x" * 200_000
    answer = after_head(HEAD + b"Content-Length: 200000\r\n\r\n", lambda: ((0.15, body[:20_000]) for _ in range(10)))
    with serving(answer) as port, redirecting(f"http://127.0.0.1:{port}/log") as url:  # noqa: SIM117
        with GitHubClient(url).download("/log") as response:
            assert sum(map(len, response.iter_content(65_536))) == 200_000


# Made when they are needed: a gigabyte takes seconds.
HOSTILE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a gigabyte of blanks": (lambda: gzip.compress(b" " * 1_000_000_000, 1), "gzip", "is larger than"),
    "packed twice": (lambda: gzip.compress(gzip.compress(b"{}")), "gzip, gzip", "has the encoding"),
    "millions of lists": (lambda: b"[" + b"[]," * 3_000_000 + b"[]]", "identity", "values"),
    "a deep list": (lambda: b"[" * 100_000 + b"]" * 100_000, "identity", "did not return JSON"),
    "a long number": (lambda: b'{"id": ' + b"9" * 5_000 + b"}", "identity", "did not return JSON"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_an_answer_unpacks_to_is_limited(name: str) -> None:
    make, packed, reason = HOSTILE[name]
    body = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stand_in = StandIn(lambda _: Reply(200, {"Content-Type": "application/json", "Content-Encoding": packed}, body))
    with stand_in.serve() as url, pytest.raises(InvalidResponse, match=reason):
        GitHubClient(url, sleep=lambda _: None).get("/repos/acme/web")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"message": ' + b"9" * 5_000 + b"}", b'{"message": {"a": []}}'],
    ids=["deep", "number", "object"],
)
def test_a_refusal_that_is_no_text_is_one_line(body: bytes) -> None:
    with StandIn(lambda _: Reply(422, {}, body)).serve() as url, pytest.raises(GitHubError) as caught:
        GitHubClient(url).get("/repos/acme/web")
    assert "\n" not in str(caught.value)


@contextmanager
def redirecting(target: str) -> Iterator[str]:
    """An API whose downloads are at the target."""
    with StandIn(lambda _: Reply(302, {"Location": target}, b"")).serve() as url:
        yield url


def hops(count: int) -> StandIn:
    """A log behind so many redirects of the storage."""

    def respond(asked: Asked) -> Reply:
        if asked.path == "/log":
            return Reply(302, {"Location": f"/hop/{count}"}, b"")
        left = int(asked.path.rpartition("/")[2])
        return Reply(307, {"Location": f"/hop/{left - 1}"}, b"") if left else Reply(200, {}, b"the log")

    return StandIn(respond)


def test_three_redirects_are_followed_and_none_sees_the_token() -> None:
    stand_in = hops(3)
    with stand_in.serve() as url, GitHubClient(url, "s3cret").download("/log") as response:
        assert response.content == b"the log"
    assert [each.headers.get("authorization") for each in stand_in.asked] == ["Bearer s3cret", None, None, None, None]
    with (
        hops(4).serve() as url,
        pytest.raises(InvalidResponse, match="more than 3 times"),
        GitHubClient(url).download("/log"),
    ):
        pass


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("http://10.1.2.3/", "private"),
        ("http://[fe80::1]/", "link-local"),
        ("http://[::ffff:169.254.169.254]/", "link-local"),
        ("http://[64:ff9b::a9fe:a9fe]/", "link-local"),
        ("http://100.64.0.1/", "reserved"),
        ("http://0.0.0.0/", "reserved"),
        ("http://2852039166/", "link-local"),
        ("file:///etc/passwd", "invalid URL"),
        ("gopher://127.0.0.1/", "invalid URL"),
        ("http://user:word@127.0.0.1/", "password"),
    ],
)
def test_a_download_leads_to_no_other_network(target: str, reason: str) -> None:
    with redirecting(target) as url, pytest.raises(InvalidResponse, match=reason), GitHubClient(url).download("/log"):
        pass


def test_each_hop_is_checked() -> None:
    def respond(asked: Asked) -> Reply:
        return Reply(302, {"Location": "/on" if asked.path == "/log" else "http://169.254.169.254/"}, b"")

    with StandIn(respond).serve() as url, pytest.raises(InvalidResponse, match="link-local"):  # noqa: SIM117
        with GitHubClient(url).download("/log"):
            pass


def test_the_address_that_was_checked_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means another host the second time."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    resolved = addresses._resolve

    def rebinding(host: str, port: int) -> list[addresses.Address]:
        return [ipaddress.ip_address(each) for each in next(answers)] if host == "logs.test" else resolved(host, port)

    monkeypatch.setattr(addresses, "_resolve", rebinding)
    log = StandIn(lambda _: Reply(200, {}, b"the log"))
    with log.serve() as there, redirecting(f"http://logs.test:{there.rpartition(':')[2]}/x") as url:  # noqa: SIM117
        with GitHubClient(url).download("/log") as response:
            assert response.content == b"the log"
    assert log.asked[0].headers["host"].startswith("logs.test:")


@pytest.mark.parametrize(
    ("api", "allowed", "target", "follows"),
    [
        ("https://api.github.com", (), "https://productionresultssa1.blob.core.windows.net/x", True),
        ("https://api.github.com", (), "https://pipelines.actions.githubusercontent.com/x", True),
        ("https://api.github.com", (), "https://codeload.github.com/x", True),
        ("https://api.github.com", (), "https://blob.core.windows.net.evil.example/x", False),
        ("https://api.github.com", (), "https://evilblob.core.windows.net/x", False),
        ("https://api.github.com", (), "https://storage.example/x", False),
        ("https://api.github.com", (), "http://productionresultssa1.blob.core.windows.net/x", False),
        ("https://api.github.com", ("storage.example",), "https://a.storage.example/x", True),
        ("https://api.github.com", ("storage.example",), "https://x.blob.core.windows.net/x", False),
        ("https://github.corp.example/api/v3", (), "https://storage.example/x", True),
        ("https://github.corp.example/api/v3", (), "http://storage.example/x", False),
        ("https://github.corp.example/api/v3", ("corp.example",), "https://storage.example/x", False),
        ("http://github.corp.example/api/v3", (), "http://storage.example/x", True),
    ],
)
def test_where_downloads_may_lead_by_name(api: str, allowed: tuple[str, ...], target: str, follows: bool) -> None:
    hosts = LogHosts(api, allowed)
    if follows:
        hosts.check_url(target)
    else:
        with pytest.raises(InvalidResponse, match="not followed"):
            hosts.check_url(target)


@pytest.mark.parametrize(
    ("api", "target", "follows"),
    [
        ("10.0.0.5", "10.0.0.6", True),
        ("10.0.0.5", "192.168.1.1", True),
        ("10.0.0.5", "127.0.0.1", False),
        ("10.0.0.5", "169.254.169.254", False),
        ("127.0.0.1", "127.0.0.2", True),
        ("127.0.0.1", "10.0.0.6", False),
        ("20.1.2.3", "20.3.4.5", True),
        ("20.1.2.3", "10.0.0.6", False),
        ("[::1]", "[2606:4700::1]", True),
    ],
)
def test_an_address_is_public_or_of_the_apis_own_kind(api: str, target: str, follows: bool) -> None:
    hosts = LogHosts(f"http://{api}/api/v3")
    if follows:
        assert hosts.resolve(target.strip("[]"), 80)
    else:
        with pytest.raises(InvalidResponse, match="not followed"):
            hosts.resolve(target.strip("[]"), 80)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("20.1.2.3", "public"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("172.16.0.1", "private"),
        ("fd00::1", "private"),
        ("169.254.1.1", "link-local"),
        ("224.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("2002:7f00:1::", "loopback"),
        ("::ffff:10.0.0.1", "private"),
    ],
)
def test_kinds_of_addresses(address: str, kind: str) -> None:
    assert address_scope(ipaddress.ip_address(address)) == kind


def test_answers_within_the_limits_are_taken() -> None:
    content = [{"id": number, "name": "x" * 50} for number in range(10_000)]
    with StandIn(lambda _: as_json(content)).serve() as url:
        assert GitHubClient(url).get("/repos/acme/web").data == content
