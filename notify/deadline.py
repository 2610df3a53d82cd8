"""A sending comes to an end, whatever the other side does: libraries limit each step of it, and a server that answers
byte by byte takes as many steps as it likes."""

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from notify.errors import DeliveryFailed

# Shorter than a collector's claim on a message: another one would send it meanwhile.
SEND_SECONDS = 90.0
Answer = TypeVar("Answer")


def within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """What the work returns or raises; DeliveryFailed where it takes longer. It is then left to itself, and what it
    does yet is not known."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise DeliveryFailed(f"It took longer than {seconds:.0f} s, and whether it was taken is not known")
    return answers[0]
