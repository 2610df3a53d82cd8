"""Every part of the set is killed in turn, under load, while the first sync runs: what each user saw, and that
nothing is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Claim, InboxItem
from demo.webhooks.events import deliveries
from tests.chaos.account import FULL, account
from tests.chaos.outages.load import Clients, Hooks, seen
from tests.chaos.outages.stand import Stand, stand, until
from tests.chaos.outages.viewer import Viewer
from tests.e2e.conftest import CHROMIUM

RUNS, RATE, AWAY_SECONDS, AFTER_SECONDS = (2_000, 10.0, 20.0, 5.0) if FULL else (40, 20.0, 1.0, 0.5)
_RECOVERY_SECONDS = 90


def test_nothing_is_lost_whichever_part_is_killed_under_load(tmp_path: Path) -> None:
    with ExitStack() as ending:
        github = ending.enter_context(account(5, RUNS, seed="outages", latency=0.08))
        rig = ending.enter_context(stand(github.url, tmp_path, dashboard=FULL))
        until(lambda: _is_ready(rig), 60, "ready")
        until(lambda: _holder(rig) != "", 60, "the collector at work")
        clients, hooks = Clients(rig.api), Hooks(rig.api, deliveries(github.world)[-20_000:], RATE)
        viewer = ending.enter_context(_viewer(rig.app)) if FULL else None
        ended = threading.Event()
        with _running(ended, hooks.run, *(lambda end, n=n: clients.run(n, end) for n in range(clients.count))):
            # A collector takes over from a killed one after 30 s, which other tests wait for.
            for name in (each for each in rig.parts if FULL or each != "collector"):
                _outage(rig, name, clients, hooks, viewer)
        until(lambda: not github.differences(rig.engine), 400, "every row equal to GitHub's")
        until(lambda: _waiting(rig) == 0, 30, "every delivery applied")
        with Session(rig.engine) as session:
            stored = set(session.scalars(select(InboxItem.delivery_id)))
    assert hooks.taken
    assert hooks.taken <= stored
    assert {each.status for each in hooks.answers} <= {0, 202, 503}
    # In words whenever it was not an answer, and never a figure that went back.
    assert clients.unclear == []
    assert {each.status for each in clients.answers} <= {0, 200, 503}
    assert clients.totals[-1] > 0
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(), log.name


def _outage(rig: Stand, name: str, clients: Clients, hooks: Hooks, viewer: Viewer | None) -> None:
    """One part is away for a while, and comes back as a supervisor would start it."""
    killed = time.monotonic()
    rig.parts[name].kill()
    _pass(AWAY_SECONDS, viewer)
    back = time.monotonic()
    rig.parts[name].start()
    until(lambda: _is_well(rig, clients, hooks, viewer, back), _RECOVERY_SECONDS, f"well after {name} was away")
    well = time.monotonic()
    _pass(AFTER_SECONDS, viewer)
    end = time.monotonic()
    print(f"\n{name}: away {back - killed:.1f} s, all well {well - back:.1f} s after its start")
    print(f"  API clients: {seen(list(clients.answers), killed, end, 200)}")
    print(f"  webhooks: {seen(list(hooks.answers), killed, end, 202)}")
    if viewer:
        print(f"  dashboard: {viewer.seen(killed, end)}")


def _pass(seconds: float, viewer: Viewer | None) -> None:
    if viewer:
        viewer.watch(seconds)
    else:
        time.sleep(seconds)


def _is_well(rig: Stand, clients: Clients, hooks: Hooks, viewer: Viewer | None, since: float) -> bool:
    """The collector at work holds its repositories, and everybody got an answer since."""
    if viewer and not viewer.look():
        return False
    answered = all(
        any(each.at > since and each.status == good for each in list(answers)[-5:])
        for answers, good in ((clients.answers, 200), (hooks.answers, 202))
    )
    return answered and _is_ready(rig) and _holder(rig).endswith(f"/{rig.collector}")


def _is_ready(rig: Stand) -> bool:
    addresses = [f"{rig.api}/health", *([f"{rig.app}/health/ready"] if "app" in rig.parts else [])]
    try:
        return all(httpx.get(each, timeout=5).status_code == 200 for each in addresses)
    except httpx.TransportError:
        return False


def _holder(rig: Stand) -> str:
    """Who looks after the repositories; nobody where it is more than one."""
    with Session(rig.engine) as session:
        names = set(session.scalars(select(Claim.holder)))
    return names.pop() if len(names) == 1 else ""


def _waiting(rig: Stand) -> int:
    with Session(rig.engine) as session:
        return len(session.scalars(select(InboxItem.delivery_id).where(InboxItem.state == "pending")).all())


@contextmanager
def _running(ended: threading.Event, *runs: Callable[[threading.Event], None]) -> Iterator[None]:
    threads = [threading.Thread(target=run, args=(ended,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def _viewer(address: str) -> Iterator[Viewer]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
        yield Viewer(page)
        browser.close()
