"""The numbers of alerts by state and severity, and the values by which a list of alerts can be filtered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func
from sqlalchemy.orm import Session

from db.enums import AlertState
from db.models import Alert, Repository, Workflow
from health.alerts.storage.alert_queries import AlertFilter, alert_columns, filter_conditions, state_condition

OPEN_STATES = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)
# Of the values of one field.
MAX_VALUES = 500


@dataclass(frozen=True)
class AlertCounts:
    """Numbers of alerts by state and severity."""

    by_state: Mapping[tuple[str, str], int]

    def number(self, *states: str, severity: str | None = None) -> int:
        """The number of alerts in one of the states, of one severity or of all."""
        return sum(
            count
            for (state, own), count in self.by_state.items()
            if state in states and (severity is None or own == severity)
        )


@dataclass(frozen=True)
class AlertFacets:
    """Values that alerts have, at most MAX_VALUES of each field. `rules`: names by id."""

    repos: tuple[str, ...]
    workflows: tuple[str, ...]
    rules: Mapping[int, str]
    assignees: tuple[str, ...]


def count_by_state(session: Session, filters: AlertFilter, now: datetime) -> AlertCounts:
    """The numbers of the alerts that match the filter without its states and severities."""
    state = case(
        *((state_condition(state, now), state.value) for state in OPEN_STATES), else_=AlertState.RESOLVED.value
    )
    others = replace(filters, states=(), severities=())
    query = alert_columns(state, Alert.severity.expression, func.count()).where(*filter_conditions(others, now))
    return AlertCounts({(row[0], row[1]): row[2] for row in session.execute(query.group_by(state, Alert.severity))})


def alert_facets(session: Session, now: datetime) -> AlertFacets:
    """The values of the alerts of monitored repositories."""
    rules = session.execute(
        alert_columns(Alert.rule_id.expression, func.max(Alert.rule_name))
        .where(*filter_conditions(AlertFilter(), now), Alert.rule_id.is_not(None))
        .group_by(Alert.rule_id)
        .order_by(Alert.rule_id)
        .limit(MAX_VALUES)
    )
    return AlertFacets(
        repos=_values(session, Repository.full_name.expression, now),
        workflows=_values(session, Workflow.name.expression, now),
        rules={row[0]: row[1] or f"Rule {row[0]}" for row in rules},
        assignees=_values(session, Alert.assignee.expression, now),
    )


def _values(session: Session, column: ColumnElement[Any], now: datetime) -> tuple[str, ...]:
    query = alert_columns(column).where(*filter_conditions(AlertFilter(), now), column.is_not(None))
    return tuple(session.scalars(query.distinct().order_by(column).limit(MAX_VALUES)))
