"""What to do about the state of a rule, and why. Pure."""

from enum import StrEnum


class Transition(StrEnum):
    """FIRST and RESOLVED are told to people, STILL and QUIET are not."""

    FIRST = "first"
    STILL = "still"
    RESOLVED = "resolved"
    QUIET = "quiet"


def transition(*, was_firing: bool, fires: bool) -> Transition:
    if fires:
        return Transition.STILL if was_firing else Transition.FIRST
    return Transition.RESOLVED if was_firing else Transition.QUIET
