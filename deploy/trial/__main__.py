"""`make compose-test`: starts all services of docker-compose.yml with new volumes and an empty .env, checks them, and
removes them.

It needs Docker, Compose and Chromium. The exit code is 0 if all checks pass, else 1 after a line with the failed check
and the last lines of the logs.
"""

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
            report(f"{image}: {size:.0f} MB, {own:.0f} MB without the base image")
        compose.take_down()
        with visitor.browser_page() as page:
            _run_checks(compose, page)
        compose.take_down()
        if left := compose.leftovers():
            raise TrialFailed(f"not removed: {left}")
        report("removed all containers, volumes and networks")
        report("passed")
        return 0
    except TrialFailed as error:
        report(f"FAILED: {error}")
        print(compose.run("ps", "-a", check=False).stdout, compose.run("logs", "--tail", "30", check=False).stdout)
        compose.take_down()
        return 1
    except KeyboardInterrupt:
        report("interrupted; removing the containers")
        compose.take_down()
        return 130
    finally:
        compose.close()


def report(message: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {message}", flush=True)


def _run_checks(compose: Compose, page: Page) -> None:
    _check_start(compose, page)
    _check_isolation(compose)
    _check_roles(compose)
    _check_concurrent_migrations(compose)
    _check_restarts(compose)
    _check_redis_outage(compose)
    _check_database_outage(compose, page)
    _check_shutdown(compose, page)


def _check_start(compose: Compose, page: Page) -> None:
    started_at = time.monotonic()
    compose.run("up", "-d", "--no-build")
    report(f"`up -d` returned after {time.monotonic() - started_at:.1f} s")
    visitor.wait_for_chart(page, 180)
    report(f"first chart in the browser after {time.monotonic() - started_at:.1f} s")
    visitor.wait_for_api("runs in the API", 60)
    report(f"the API returned {visitor.run_count():,} runs after {time.monotonic() - started_at:.1f} s")
    wait_for("all containers healthy", 240, compose.healthy)
    report(f"all containers healthy after {time.monotonic() - started_at:.1f} s")
    visitor.check_banner(page)
    report(f"every page shows the banner of the demo: {', '.join('/' + path for path in visitor.PAGES)}")
    for service in _BUILT_SERVICES:
        if "Traceback" in compose.run("logs", service).stdout:
            raise TrialFailed(f"the log of {service} contains a traceback")


def _check_isolation(compose: Compose) -> None:
    for service in _BUILT_SERVICES:
        container = compose.inspect(service)["Id"]
        if docker("exec", container, "python", "-c", "import os; print(os.getuid(), os.getgid())") != "10001 10001":
            raise TrialFailed(f"{service} does not run as 10001:10001")
        write = "import errno\ntry: open('/srv/x', 'w')\nexcept OSError as e: print(errno.errorcode[e.errno])"
        if docker("exec", container, "python", "-c", write) != "EROFS":
            raise TrialFailed(f"{service} can write to its file system")
    for service in SERVICES:
        host = compose.inspect(service)["HostConfig"]
        if not (host["Memory"] and host["NanoCpus"] and host["PidsLimit"]):
            raise TrialFailed(f"{service} has no limits")
        ports = [port["HostIp"] for bindings in (host["PortBindings"] or {}).values() for port in bindings]
        if ports != (["127.0.0.1"] if service in ("api", "app") else []):
            raise TrialFailed(f"{service} is published on {ports}")
        privileges = (host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"])
        if privileges != (True, ["ALL"], ["no-new-privileges:true"]):
            raise TrialFailed(f"{service} has too many privileges: {privileges}")
    report("the product's containers run as 10001:10001; all are read-only, without capabilities, and have limits")
    report("only api and app are published, on the loopback interface")
    for service in ("db", "redis", "github-demo"):
        networks = compose.inspect(service)["NetworkSettings"]["Networks"]
        if any(docker("network", "inspect", "-f", "{{.Internal}}", name) != "true" for name in networks):
            raise TrialFailed(f"{service} is on a network with access to the outside")
    report("database, Redis and simulator are on internal networks")


def _check_roles(compose: Compose) -> None:
    query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'health' AND pid <> pg_backend_pid()"
    users = docker("exec", compose.container("db"), "psql", "-U", "health", "-d", "health", "-Atc", query).split()
    if set(users) != {"health_collector", "health_reader"}:
        raise TrialFailed(f"programs are connected as {users}")
    output = docker("exec", compose.container("redis"), "redis-cli", "dbsize")
    if "NOAUTH" not in output:
        raise TrialFailed(f"Redis accepts commands without a password: {output}")
    report("programs are connected as health_collector and health_reader; Redis requires its password")


def _check_concurrent_migrations(compose: Compose) -> None:
    docker("exec", compose.container("db"), "createdb", "-U", "health", "second")
    url = "DATABASE_URL=postgresql://health@db:5432/second"
    processes = [compose.start("run", "--rm", "-T", "-e", url, "migrate") for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    if any(process.returncode for process in processes):
        raise TrialFailed(f"three concurrent migrations: {outputs}")
    docker("exec", compose.container("db"), "dropdb", "-U", "health", "second")
    report("three concurrent migrations of an empty database: all exit codes are 0")


def _check_restarts(compose: Compose) -> None:
    for service in SERVICES:
        compose.run("restart", service)
        seconds = wait_for(f"{service} healthy again", 180, partial(compose.healthy, [service]))
        visitor.wait_for_api(f"the API after a restart of {service}", 60)
        visitor.wait_for_app(f"the dashboard after a restart of {service}", 60)
        report(f"{service} restarted: healthy after {seconds:.1f} s; API and dashboard answer")


def _check_redis_outage(compose: Compose) -> None:
    docker("stop", compose.container("redis"))
    for path in ("/api/metrics", "/api/runs?limit=5", "/api/repositories"):
        started_at = time.monotonic()
        status, _ = visitor.fetch(path)
        if status != 200:
            raise TrialFailed(f"without Redis: {path} returns {status}")
        report(f"without Redis: {path} returns 200 after {time.monotonic() - started_at:.2f} s")
    docker("start", compose.container("redis"))
    wait_for("redis healthy", 30, lambda: compose.healthy(["redis"]))


def _check_database_outage(compose: Compose, page: Page) -> None:
    page.goto(visitor.APP)
    visitor.wait_for_chart(page, 60)
    start_times, run_count = compose.start_times(), visitor.run_count()
    docker("kill", compose.container("db"))
    killed_at = time.monotonic()
    seconds = wait_for("status 503 of /health", 20, lambda: visitor.fetch("/health")[0] == 503)
    status, body = visitor.fetch("/health")
    detail = f"“{body.get('status')}”: {body['checks']['database']['detail']}"
    report(f"db killed: after {seconds:.1f} s /health is {status} {detail}")
    seconds = wait_for("status 503 of the dashboard", 20, lambda: visitor.fetch("/health/ready", visitor.APP)[0] == 503)
    report(f"db killed: the dashboard's /health/ready is 503 after {seconds:.1f} s")
    visitor.expect_text(page, "Database unavailable since", 60)
    report("db killed: the open page reports that the database is unavailable")
    time.sleep(max(0.0, _OUTAGE_SECONDS - (time.monotonic() - killed_at)))
    docker("start", compose.container("db"))
    restarted_at = time.monotonic()
    visitor.wait_for_api("the API", 60)
    report(
        f"db back after {restarted_at - killed_at:.0f} s: the API answers {time.monotonic() - restarted_at:.1f} s later"
    )
    visitor.wait_for_app("the dashboard", 60)
    visitor.wait_for_chart(page, 60)
    report(f"db back: the open page shows its charts {time.monotonic() - restarted_at:.1f} s later, without a reload")
    wait_for("all containers healthy", 240, compose.healthy)
    wait_for("new runs", 120, lambda: visitor.run_count() > run_count)
    report(f"db back: all containers healthy and new runs collected {time.monotonic() - restarted_at:.1f} s later")
    restarted = [name for name, moment in compose.start_times().items() if moment != start_times[name]]
    if restarted != ["db"]:
        raise TrialFailed(f"restarted during the outage: {restarted}")
    report("no other container restarted during the outage")


def _check_shutdown(compose: Compose, page: Page) -> None:
    """While a page is open with its websocket and a client has sent only the beginning of its request to the API."""
    visitor.wait_for_chart(page, 60)
    client = visitor.open_request()
    for service in ("app", "api", "collector", "github-demo", "redis", "db"):
        started_at = time.monotonic()
        docker("stop", "-t", "30", compose.container(service))
        seconds, code = time.monotonic() - started_at, compose.inspect(service)["State"]["ExitCode"]
        report(f"SIGTERM: {service} exited with {code} after {seconds:.1f} s")
        if seconds > 10 or (service in _BUILT_SERVICES and code):
            raise TrialFailed(f"{service} does not shut down cleanly within 10 s")
    client.close()


if __name__ == "__main__":
    sys.exit(main())
