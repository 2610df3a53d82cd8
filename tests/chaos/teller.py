"""Rules and delivery as a process that asks nobody whether it is its turn: python -m tests.chaos.teller DATABASE SLACK.

It goes on until SIGTERM, and prints how many alerts it opened and closed and how many messages it sent."""

import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable

from core.clock import utc_now
from db.engine import make_engine
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.evaluation import Evaluator
from health.alerts.notifications.delivery import Dispatcher
from health.alerts.rules.rules import parse_threshold


def main(database_url: str, slack_url: str) -> None:
    engine, stop, done = make_engine(database_url), threading.Event(), Counter[str]()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    evaluator = Evaluator(engine, parse_threshold("3"), ["slack"], "http://dash", utc_now)
    deliverer = Dispatcher(engine, {"slack": SlackWebhookChannel(slack_url)}, utc_now)

    def judge() -> None:
        evaluated = evaluator.run()
        done.update(opened=evaluated.opened, resolved=evaluated.resolved)

    def deliver() -> None:
        done["sent"] += deliverer.run()

    threads = [threading.Thread(target=_again_and_again, args=(work, stop)) for work in (judge, deliver)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    stop.wait()
    for thread in threads:
        thread.join()
    print(json.dumps(done), flush=True)


def _again_and_again(work: Callable[[], None], stop: threading.Event) -> None:
    while not stop.is_set():
        work()


if __name__ == "__main__":
    main(*sys.argv[1:])
