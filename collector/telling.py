"""When rules are looked at and messages go out: at once when something changed, each on a thread of its own, so that
neither waits for a slow channel, and what comes in waits for neither. Each channel has a thread of its own: a mail
server that does not answer keeps nothing from Slack."""

import threading
import time

from sqlalchemy import Engine

from collector.alerts.evaluate import Evaluator
from collector.causes import Causes
from collector.claims import Claims
from collector.guard import guarded
from collector.notify.deliver import Deliverer
from collector.work import Work
from db.engine import session_scope
from db.queries.repositories import data_version

# How often who leads asks whether another collector changed something.
_ASK_SECONDS = 0.25
# How often the outbox is looked at without a reason: what failed is tried again, and others write into it, too.
_OUTBOX_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 1.0
# How often what waits for a channel that is gone is looked for.
_REMOVED_SECONDS = 600.0


class Telling:
    """`at_once` is for a command that ends; a service runs `keep_judging` and `keep_delivering`, each in a thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        evaluator: Evaluator,
        deliverer: Deliverer,
        causes: Causes,
        claims: Claims,
        stop: threading.Event,
        work: Work | None = None,
    ) -> None:
        self._work = work
        self._engine, self._evaluator, self._deliverer = engine, evaluator, deliverer
        self._causes, self._claims, self._stop = causes, claims, stop
        self._changed = threading.Event()
        # By channel: something may wait for it.
        self._written = {name: threading.Event() for name in deliverer.names}
        self._seen: int | None = None

    def at_once(self) -> None:
        """What is not explained by now is told as it is."""
        self._look(patient=False)
        self._deliverer.run()

    def changed(self) -> None:
        """Rules are looked at as soon as may be."""
        self._changed.set()

    def wake(self) -> None:
        """Nobody waits on, once `stop` is set."""
        self._changed.set()
        self._note_written()

    def keep_judging(self) -> None:
        """One collector does it, in no more than half of its time: a storm of events changes the same runs again and
        again."""
        look = guarded(self._look_for_a_reason, self._engine, "rules", self._work)
        while not self._stop.is_set():
            self._changed.wait(_ASK_SECONDS)
            begun = time.monotonic()
            look()
            self._stop.wait(min(time.monotonic() - begun, _LONGEST_PAUSE_SECONDS))

    def keep_delivering(self) -> None:
        """What a process that died has left goes out first, and what is written before the end goes out, too."""
        threads = [
            threading.Thread(target=self._keep_sending, args=each, daemon=True) for each in self._written.items()
        ]
        for thread in threads:
            thread.start()
        give_up = guarded(self._deliverer.give_up_removed, self._engine, "delivery", self._work)
        while not self._stop.is_set():
            give_up()
            self._stop.wait(_REMOVED_SECONDS)
        for thread in threads:
            thread.join()

    def _keep_sending(self, name: str, written: threading.Event) -> None:
        send = guarded(lambda: self._deliverer.send_due([name]), self._engine, "delivery", self._work)
        while True:
            ends = self._stop.is_set()
            written.clear()
            send()
            if ends:
                return
            written.wait(_OUTBOX_SECONDS)

    def _note_written(self) -> None:
        for event in self._written.values():
            event.set()

    def _look_for_a_reason(self) -> None:
        share = self._claims.share
        reason = self._changed.is_set()
        self._changed.clear()
        if not share.leads or self._stop.is_set():
            return
        if share.collectors > 1:
            # Another one may have applied the event that matters.
            with session_scope(self._engine) as session:
                version = data_version(session)
            reason, self._seen = reason or version != self._seen, version
        if reason:
            self._look(patient=True)

    def _look(self, *, patient: bool) -> None:
        evaluated = self._evaluator.run(patient=patient)
        if evaluated.unexplained:
            self._causes.fetch(evaluated.unexplained)
            evaluated = self._evaluator.run()
        if evaluated.told:
            self._note_written()
