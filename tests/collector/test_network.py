"""Between this machine and GitHub: own servers, certificates, proxies, redirects. The token goes nowhere else."""

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from collector.github import errors, transport
from collector.github.client import MAX_ATTEMPTS, GitHubClient
from collector.github.pagination import pages
from collector.github.payloads import RunPayload
from tests.collector.conftest import REPO, Clock
from tests.collector.proxies import Proxy
from tests.collector.servers import Asked, Reply, StandIn, as_json
from tests.simulator.app import create_app, running
from tests.simulator.world import EditableWorld

AUTHORITY = trustme.CA()
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def hello() -> StandIn:
    return StandIn(lambda _: as_json({"hello": True}))


@pytest.fixture
def secure(hello: StandIn) -> Iterator[str]:
    """`hello` under a certificate of an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", "github.corp.example").configure_cert(context)
    with hello.serve(tls=context) as url:
        yield url


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def client(url: str) -> GitHubClient:
    return GitHubClient(url, "good", sleep=lambda _: None)


def redirecting(target: str, status: int = 301) -> StandIn:
    """/old leads to the target, everything else is there."""
    return StandIn(
        lambda asked: Reply(status, {"Location": target}) if asked.path == "/old" else as_json({"at": asked.path})
    )


def test_an_own_server_answers_under_its_base_path_and_so_do_its_next_pages_and_new_names(clock: Clock) -> None:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    for _ in range(150):
        world.add_run(REPO, "CI")
    world.rename(REPO, "acme/website")
    app = create_app(world, tokens={"good"}, base_path="/api/v3", rate_limit=None)
    with running(app) as url:
        asking = client(f"{url}/api/v3/")
        assert asking.get(f"/repos/{REPO}").data["full_name"] == "acme/website"
        path = f"/repos/{REPO}/actions/runs"
        assert sum(len(page.items) for page in pages(asking, path, "workflow_runs", RunPayload)) == 150
    assert {each.path.partition("/api/v3/")[0] for each in app.state.requests} == {""}
    assert {each.headers.get("authorization") for each in app.state.requests} == {"Bearer good"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("target", ["/new?page=2", "{url}/new?page=2"], ids=["relative", "absolute"])
def test_redirects_within_the_api_are_followed_with_the_token(status: int, target: str) -> None:
    server = redirecting(target, status)
    with server.serve() as url:
        server.respond = redirecting(target.format(url=url), status).respond
        assert client(url).get("/old").data == {"at": "/new?page=2"}
    assert [each.headers["authorization"] for each in server.asked] == ["Bearer good"] * 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_other_host_is_asked_anything(status: int, hello: StandIn) -> None:
    with (
        hello.serve() as elsewhere,
        redirecting(f"{elsewhere}/new", status).serve() as url,
        pytest.raises(errors.InvalidResponse, match="another host"),
    ):
        client(url).get("/old")
    assert hello.asked == []


def test_a_redirect_that_leaves_the_api_or_never_ends_is_told(hello: StandIn) -> None:
    with redirecting("/old").serve() as url, pytest.raises(errors.InvalidResponse, match="redirect loop"):
        client(url).get("/old")
    server = StandIn(lambda _: Reply(302, {"Location": "/login"}))
    with server.serve() as url, pytest.raises(errors.InvalidResponse, match=r"outside its API .*GITHUB_API_URL"):
        client(f"{url}/api/v3").get("/x")
    assert server.paths == ["/api/v3/x"]


@pytest.mark.parametrize("status", [302, 307])
def test_a_renamed_repositorys_log_is_found_and_its_storage_never_sees_the_token(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the storage behind the storage, whatever ~/.netrc knows of it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    behind = StandIn(lambda _: Reply(200, {"Content-Type": "text/plain"}, b"line"))
    with behind.serve() as last:
        storage = StandIn(lambda _: Reply(status, {"Location": f"{last}/text?sig=1"}))
        with storage.serve() as first:
            moved = {
                "/repos/a/b/logs": (301, "/repositories/1/logs"),
                "/repositories/1/logs": (302, f"{first}/log?sig=1"),
            }
            api = StandIn(lambda asked: Reply(moved[asked.path][0], {"Location": moved[asked.path][1]}))
            with api.serve() as url, client(url).download("/repos/a/b/logs") as response:
                assert response.content == b"line"
    assert [each.headers["authorization"] for each in api.asked] == ["Bearer good"] * 2
    for each in storage.asked + behind.asked:
        assert "authorization" not in each.headers
    assert (len(storage.asked), len(behind.asked)) == (1, 1)


def test_a_private_authority_is_trusted_once_it_is_named(
    secure: str, hello: StandIn, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.Unreachable, match="REQUESTS_CA_BUNDLE"):
        client(secure).get("/x")
    assert hello.asked == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    assert client(secure).get("/x").data == {"hello": True}
    with client(secure).download("/x") as response:
        assert response.json() == {"hello": True}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{bundle}.gone")
    with pytest.raises(errors.Unreachable, match="REQUESTS_CA_BUNDLE: there is no file"):
        client(secure).get("/x")


def test_a_certificate_for_another_name_is_not_taken(
    secure: str, hello: StandIn, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with pytest.raises(errors.Unreachable, match="not trusted"):
        client(secure.replace("127.0.0.1", "localhost")).get("/x")
    assert hello.asked == []


def test_tls_goes_through_the_proxy_in_a_tunnel_that_hides_the_token(
    secure: str, hello: StandIn, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy alone knows the name of the host."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    port = secure.rpartition(":")[2]
    proxy = Proxy()
    with proxy.serve() as through:
        monkeypatch.setenv("HTTPS_PROXY", through.replace("http://", "http://me:hidden@"))
        asking = client(f"https://github.corp.example:{port}")
        for _ in range(3):
            assert asking.get("/x").data == {"hello": True}
    assert proxy.asked == [f"CONNECT github.corp.example:{port}"]
    assert proxy.headers[0]["proxy-authorization"].startswith("Basic ")
    assert "authorization" not in proxy.headers[0]
    assert {each.headers["authorization"] for each in hello.asked} == {"Bearer good"}


def test_plain_requests_go_through_the_proxy_but_for_hosts_that_it_is_not_for(
    hello: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy()
    with hello.serve() as url, proxy.serve() as through:
        named = url.replace("127.0.0.1", "github.corp.example")
        monkeypatch.setenv("HTTP_PROXY", through)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,.example.org")
        assert client(named).get("/x", params={"page": 2}).data == {"hello": True}
        assert proxy.asked == [f"GET {named}/x?page=2"]
        assert client(url).get("/x").data == {"hello": True}
        with client(url).download("/x") as response:
            assert response.json() == {"hello": True}
    assert len(proxy.asked) == 1


def test_a_proxy_that_is_gone_is_named_in_one_line_without_its_password(
    hello: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hidden@127.0.0.1:1")
    with pytest.raises(errors.Unreachable, match="HTTPS_PROXY") as caught:
        client("https://github.corp.example").get("/x")
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_threads_share_the_connections(hello: StandIn) -> None:
    """Each new one costs a TLS handshake or two; rounds of threads come and go."""
    with hello.serve() as url:
        asking = client(url)
        for _ in range(5):
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(asking.get, [f"/{number}" for number in range(20)]))
    assert len(hello.asked) == 100
    assert hello.connections <= 4


def test_a_server_that_stalls_is_given_up_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT_SECONDS", (2, 0.2))
    over = threading.Event()

    def respond(_: Asked) -> Reply:
        if len(server.asked) <= 2:
            over.wait(20)
        return as_json({"hello": True})

    server = StandIn(respond)
    with server.serve() as url:
        assert client(url).get("/x").data == {"hello": True}
        over.set()
    assert len(server.asked) == 3


def test_nobody_at_home_is_one_line_after_a_few_tries() -> None:
    paused: list[float] = []
    with pytest.raises(errors.Unreachable, match=r"cannot reach http://127\.0\.0\.1:1: Connection refused"):
        GitHubClient("http://127.0.0.1:1", sleep=paused.append).get("/x")
    # Long pauses are taken in small parts.
    assert len(paused) >= MAX_ATTEMPTS - 1
