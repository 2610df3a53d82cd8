"""Own rules for failure causes: reading and previewing them for pages, and the changes of users."""

from dataclasses import dataclass, replace
from datetime import datetime

from app import session
from app.data.caching import cache_data, cache_resource
from app.data.causes import user_name
from app.data.connection import read_session, utc_now, write_session
from app.data.log_search import search_slot
from app.data.outages import serve_stale
from core.roles import Role
from db.definitions.scope import Scope, Window
from health.insights.causes import rule_matches as matches
from health.insights.causes import stored_rules
from health.insights.causes.preview import RulePreview, preview_rule
from health.insights.causes.rules import CauseRule, validate_rule


@serve_stale
@cache_data(ttl=2, max_entries=1)
def cause_rules() -> list[CauseRule]:
    """All rules, the oldest first: in this order they are tried."""
    with read_session() as database:
        return stored_rules.list_rules(database)


@dataclass(frozen=True)
class RuleMatches:
    """Failed jobs and runs whose cause a rule names."""

    jobs: int
    runs: int


@serve_stale
@cache_data(ttl=60, max_entries=64)
def count_matches(rule_ids: tuple[int, ...], scope: Scope, window: Window, version: int) -> dict[int, RuleMatches]:
    """By the id of the rule; rules without matches are missing."""
    with read_session() as database:
        return {
            rule_id: RuleMatches(*counts)
            for rule_id, counts in matches.count(database, rule_ids, scope, window).items()
        }


def preview(rule: CauseRule, now: datetime) -> RulePreview:
    """The effect of a valid rule over the last 30 days, whatever its name is. Raises Unavailable if too many searches
    are in progress."""
    return _preview(replace(rule, name="", created_at=None, created_by=None, updated_at=None, applied_at=None), now)


@serve_stale
@cache_resource(ttl=120, max_entries=32)
def _preview(rule: CauseRule, now: datetime) -> RulePreview:
    with search_slot(), read_session() as database:
        return preview_rule(database, rule, now)


def save_rule(rule: CauseRule) -> bool:
    """Adds a rule without an id, else replaces the stored one; false if that has been deleted. Raises InvalidCauseRule,
    TooManyRules, ActionRefused, Unavailable, and RuleChanged if the stored rule has another `updated_at`."""
    actor, by, valid = session.current_actor(), user_name(), validate_rule(rule)
    cause_rules.clear()
    with write_session(Role.ADMIN) as database:
        if rule.id is None:
            stored_rules.add_rule(database, valid, utc_now(), by=by, actor=actor)
            is_stored = True
        else:
            is_stored = stored_rules.update_rule(
                database, rule.id, valid, utc_now(), actor=actor, read_at=rule.updated_at
            )
    cause_rules.clear()
    return is_stored


def delete_rule(rule_id: int) -> None:
    """A rule that has been deleted before is no error. Raises ActionRefused, Unavailable."""
    actor = session.current_actor()
    with write_session(Role.ADMIN) as database:
        stored_rules.delete_rule(database, rule_id, utc_now(), actor=actor)
    cause_rules.clear()
