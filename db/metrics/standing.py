"""How workflows stand on the default branch: the one rule behind tables, pages, walls and badges. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from db.vocabulary import Outcome, WorkflowState, is_inactive


class Standing(StrEnum):
    """NO_RUNS: nothing completed as success or failure there in the time that is looked back. CATCHING_UP: what is
    stored does not show a failure, and newer or further runs are still to be read, so that it is not known."""

    FAILING = "failing"
    CATCHING_UP = "catching_up"
    PASSING = "passing"
    NO_RUNS = "no_runs"
    DISABLED = "disabled"
    DELETED = "deleted"
    ARCHIVED = "archived"

    @property
    def inactive(self) -> bool:
        """The workflow cannot run, so that its last result says nothing about now."""
        return self in (Standing.DISABLED, Standing.DELETED, Standing.ARCHIVED)


@dataclass(frozen=True)
class WorkflowStanding:
    """`branch` is the default branch of the repository."""

    repo: str
    workflow_id: int
    branch: str
    standing: Standing


def standing_of(outcome: str | None, workflow_state: str, *, archived: bool, catching_up: bool) -> Standing:
    """`outcome` is that of the last run on the default branch that succeeded or failed; null where none did.
    `archived`: the repository is."""
    if archived or is_inactive(workflow_state):
        if archived:
            return Standing.ARCHIVED
        return Standing.DELETED if workflow_state == WorkflowState.DELETED else Standing.DISABLED
    if outcome == Outcome.FAILURE:
        return Standing.FAILING
    if catching_up:
        return Standing.CATCHING_UP
    return Standing.PASSING if outcome == Outcome.SUCCESS else Standing.NO_RUNS


def together(found: Iterable[Standing], *, catching_up: bool) -> Standing:
    """Of several workflows the one that counts most: a failure, then what is not known, then a success. `catching_up`:
    workflows that nobody has seen yet may follow."""
    listed = set(found)
    if catching_up:
        listed.add(Standing.CATCHING_UP)
    return next((each for each in Standing if each in listed), Standing.NO_RUNS)
