"""make compose-test: the whole set for real, from clean volumes and an empty .env, until it is taken down again.

Needs Docker, Compose and Chromium. Ends with 0 when everything is as it should be; else with 1, a line that says what
is not, and the last lines of the logs."""

import signal
import sys
import time
from datetime import datetime
from functools import partial

from playwright.sync_api import Page

from deploy.trial import visitor
from deploy.trial.containers import IMAGES, SERVICES, Compose, TrialFailed, build, docker, megabytes, wait_for

_OUTAGE_SECONDS = 30
_BUILT_SERVICES = ("collector", "api", "app", "github-demo")


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    compose = Compose()
    try:
        report(f"Compose {compose.version} ({' '.join(compose.command)})")
        build()
        for image in IMAGES:
            size, own = megabytes(image)
            report(f"{image}: {size:.0f} MB, {own:.0f} MB of them on top of the base")
        compose.take_down()
        with visitor.browser_page() as page:
            _first_use(compose, page)
        compose.take_down()
        if left := compose.leftovers():
            raise TrialFailed(f"left behind: {left}")
        report("taken down; no container, volume or network is left")
        report("passed")
        return 0
    except TrialFailed as error:
        report(f"FAILED: {error}")
        print(compose.run("ps", "-a", check=False).stdout, compose.run("logs", "--tail", "30", check=False).stdout)
        compose.take_down()
        return 1
    except KeyboardInterrupt:
        report("interrupted; taking it down")
        compose.take_down()
        return 130
    finally:
        compose.close()


def report(message: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {message}", flush=True)


def _first_use(compose: Compose, page: Page) -> None:
    _first_chart(compose, page)
    _isolation(compose)
    _roles(compose)
    _migrations_at_once(compose)
    _restarts(compose)
    _without_redis(compose)
    _without_database(compose, page)
    _stops(compose, page)


def _first_chart(compose: Compose, page: Page) -> None:
    started = time.monotonic()
    compose.run("up", "-d", "--no-build")
    report(f"up -d has returned: {time.monotonic() - started:.1f} s")
    visitor.wait_for_chart(page, 180)
    report(f"first chart in the browser: {time.monotonic() - started:.1f} s after up -d")
    visitor.wait_for_api("runs by the API", 60)
    report(f"the API answers with {visitor.run_count():,} runs: {time.monotonic() - started:.1f} s")
    wait_for("every container healthy", 240, compose.healthy)
    report(f"every container is healthy: {time.monotonic() - started:.1f} s")
    visitor.check_banner(page)
    report(f"every page says that it is a demo: {', '.join('/' + each for each in visitor.PAGES)}")
    for service in _BUILT_SERVICES:
        if "Traceback" in compose.run("logs", service).stdout:
            raise TrialFailed(f"{service} complains in its log")


def _isolation(compose: Compose) -> None:
    for service in _BUILT_SERVICES:
        found = compose.inspect(service)
        if docker("exec", found["Id"], "python", "-c", "import os; print(os.getuid(), os.getgid())") != "10001 10001":
            raise TrialFailed(f"{service} runs as another user")
        write = "import errno\ntry: open('/srv/x', 'w')\nexcept OSError as e: print(errno.errorcode[e.errno])"
        if docker("exec", found["Id"], "python", "-c", write) != "EROFS":
            raise TrialFailed(f"{service} can write to its file system")
    for service in SERVICES:
        host = compose.inspect(service)["HostConfig"]
        if not (host["Memory"] and host["NanoCpus"] and host["PidsLimit"]):
            raise TrialFailed(f"{service} has no limits")
        ports = [each["HostIp"] for bound in (host["PortBindings"] or {}).values() for each in bound]
        if ports != (["127.0.0.1"] if service in ("api", "app") else []):
            raise TrialFailed(f"{service} is published on {ports}")
        if (
            not host["ReadonlyRootfs"]
            or host["CapDrop"] != ["ALL"]
            or host["SecurityOpt"] != ["no-new-privileges:true"]
        ):
            raise TrialFailed(f"{service} may do more than it must: {host['CapDrop']} {host['SecurityOpt']}")
    report("ours run as 10001:10001; all are read-only, without capabilities, and have limits")
    report("api and app alone are published, on loopback")
    for service in ("db", "redis", "github-demo"):
        networks = compose.inspect(service)["NetworkSettings"]["Networks"]
        if any(docker("network", "inspect", "-f", "{{.Internal}}", each) != "true" for each in networks):
            raise TrialFailed(f"{service} is on a network with a way out")
    report("database, Redis and simulator are on networks without a way out")


def _roles(compose: Compose) -> None:
    query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'health' AND pid <> pg_backend_pid()"
    users = docker("exec", compose.container("db"), "psql", "-U", "health", "-d", "health", "-Atc", query).split()
    if set(users) != {"health_collector", "health_reader"}:
        raise TrialFailed(f"programs are connected as {users}")
    answer = docker("exec", compose.container("redis"), "redis-cli", "dbsize")
    if "NOAUTH" not in answer:
        raise TrialFailed(f"Redis answers without a password: {answer}")
    report("programs are connected as health_collector and health_reader; Redis wants its password")


def _migrations_at_once(compose: Compose) -> None:
    docker("exec", compose.container("db"), "createdb", "-U", "health", "second")
    url = "DATABASE_URL=postgresql://health@db:5432/second"
    started = [compose.start("run", "--rm", "-T", "-e", url, "migrate") for _ in range(3)]
    said = [process.communicate(timeout=120)[0] for process in started]
    if any(process.returncode for process in started):
        raise TrialFailed(f"of three migrations at once: {said}")
    docker("exec", compose.container("db"), "dropdb", "-U", "health", "second")
    report("three migrations of one empty database at the same time: all end with 0")


def _restarts(compose: Compose) -> None:
    for service in SERVICES:
        compose.run("restart", service)
        took = wait_for(f"{service} healthy again", 180, partial(compose.healthy, [service]))
        visitor.wait_for_api(f"the API after a restart of {service}", 60)
        visitor.wait_for_app(f"the dashboard after a restart of {service}", 60)
        report(f"{service} restarted: healthy after {took:.1f} s, API and dashboard answer")


def _without_redis(compose: Compose) -> None:
    docker("stop", compose.container("redis"))
    for path in ("/api/metrics", "/api/runs?limit=5", "/api/repositories"):
        began = time.monotonic()
        status, _ = visitor.fetch(path)
        if status != 200:
            raise TrialFailed(f"without Redis {path} answers {status}")
        report(f"without Redis: {path} answers 200 in {time.monotonic() - began:.2f} s")
    docker("start", compose.container("redis"))
    wait_for("redis healthy", 30, lambda: compose.healthy(["redis"]))


def _without_database(compose: Compose, page: Page) -> None:
    page.goto(visitor.APP)
    visitor.wait_for_chart(page, 60)
    before, counted = compose.restart_counts(), visitor.run_count()
    docker("kill", compose.container("db"))
    killed = time.monotonic()
    took = wait_for("/health says so", 20, lambda: visitor.fetch("/health")[0] == 503)
    status, body = visitor.fetch("/health")
    told = f"“{body.get('status')}”: {body['checks']['database']['detail']}"
    report(f"db killed: after {took:.1f} s /health is {status} {told}")
    took = wait_for("the dashboard's check says so", 20, lambda: visitor.fetch("/health/ready", visitor.APP)[0] == 503)
    report(f"db killed: the dashboard's /health/ready is 503 after {took:.1f} s")
    visitor.expect_text(page, "Database unavailable since", 60)
    report("db killed: the open page says that the database is unavailable")
    time.sleep(max(0.0, _OUTAGE_SECONDS - (time.monotonic() - killed)))
    docker("start", compose.container("db"))
    back = time.monotonic()
    visitor.wait_for_api("the API", 60)
    report(f"db back after {back - killed:.0f} s: the API answers {time.monotonic() - back:.1f} s later")
    visitor.wait_for_app("the dashboard", 60)
    visitor.wait_for_chart(page, 60)
    report(f"db back: the open page shows its charts {time.monotonic() - back:.1f} s later, without a reload")
    wait_for("everything healthy", 240, compose.healthy)
    wait_for("new runs", 120, lambda: visitor.run_count() > counted)
    report(f"db back: everything healthy, and new runs collected, {time.monotonic() - back:.1f} s later")
    if restarted := [
        name for name, moment in compose.restart_counts().items() if name != "db" and moment != before[name]
    ]:
        raise TrialFailed(f"restarted meanwhile: {restarted}")
    report("no other container was restarted meanwhile")


def _stops(compose: Compose, page: Page) -> None:
    """The page is open, with its websocket, and a client of the API has not yet sent all of its request."""
    visitor.wait_for_chart(page, 60)
    client = visitor.open_request()
    for service in ("app", "api", "collector", "github-demo", "redis", "db"):
        began = time.monotonic()
        docker("stop", "-t", "30", compose.container(service))
        took, code = time.monotonic() - began, compose.inspect(service)["State"]["ExitCode"]
        report(f"SIGTERM: {service} ended with {code} after {took:.1f} s")
        if took > 10 or (service in _BUILT_SERVICES and code):
            raise TrialFailed(f"{service} does not stop in order within 10 s")
    client.close()


if __name__ == "__main__":
    sys.exit(main())
