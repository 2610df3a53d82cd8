"""The schema: reached by migrations, the same as the models say, and back."""

import re
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, insert, inspect, select, text
from sqlalchemy.orm import Session

from core import VERSION
from db.__main__ import main
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import NotMigrated, check_migrated, current_revision, downgrade, head_revision, upgrade
from db.models import Alert, Base, Target
from health.insights.causes.model import CauseClass
from health.insights.causes.rule_application import RuleApplication
from health.insights.causes.rules import CauseRule
from health.insights.causes.stored_rules import add_rule
from health.log_search.index import index_logs
from tests.builders import ACTOR, NOON, add_repository
from tests.failed_logs import fill


def test_the_migrations_give_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


# One row a repository or fewer, a few of the last days, or what people write: on a sharded PostgreSQL they stay in
# one place.
SMALL = {
    "alembic_version", "alert_rules", "alerts", "api_keys", "audit_events", "cause_aliases", "cause_rules",
    "cause_triage", "channel_states", "claims", "deliveries", "digests", "heartbeats", "inbox", "installation_keys",
    "notification_channels", "repositories", "rollup_state", "saved_views", "session_generations", "silences",
    "stored_settings", "targets", "teams",
}  # fmt: skip


# The index over the logs of all repositories, which the logs can be indexed into again: docs/decisions/0008.
SEARCH_INDEX = {"log_search_postings", "log_search_segments"}


def test_every_growing_table_can_be_distributed_by_repository(engine: Engine) -> None:
    """Citus wants the distribution column in every unique key, and in every foreign key to a distributed table."""
    found = inspect(engine)
    for table in set(found.get_table_names()) - SMALL - SEARCH_INDEX:
        assert found.get_pk_constraint(table)["constrained_columns"][0] == "repository_id", table
        unique = [each["column_names"] for each in found.get_unique_constraints(table)]
        unique += [each["column_names"] for each in found.get_indexes(table) if each["unique"]]
        assert all("repository_id" in columns for columns in unique), table
        for key in found.get_foreign_keys(table):
            assert key["referred_table"] in SMALL or "repository_id" in key["constrained_columns"], table


def test_migrations_go_back_and_forth(engine: Engine) -> None:
    downgrade(engine, "base")
    assert current_revision(engine) is None
    with pytest.raises(NotMigrated, match="python -m db upgrade"):
        check_migrated(engine)
    assert upgrade(engine) == head_revision()


def test_of_two_firing_alerts_about_the_same_the_later_one_goes_on(engine: Engine) -> None:
    add_repository(engine)
    downgrade(engine, "0004")
    kinds = [(5, "consecutive_failures"), (5, "consecutive_failures"), (None, "failure_rate"), (None, "failure_rate")]
    with Session(engine) as session, session.begin():
        for workflow_id, rule in [*kinds, (6, "consecutive_failures")]:
            values = {"repository_id": 1, "workflow_id": workflow_id, "rule": rule, "threshold": "3"}
            session.execute(insert(Alert.__table__).values(**values, state="firing", opened_at=NOON))
    upgrade(engine)
    with Session(engine) as session:
        found = session.scalars(select(Alert).order_by(Alert.id)).all()
    assert [each.state for each in found] == ["resolved", "firing", "resolved", "firing", "firing"]
    assert [each.resolved_at is None for each in found] == [False, True, False, True, True]
    rule = found[0].rule_id
    assert [each.target for each in found[:3:2]] == [f"{rule}/1/5/", f"{rule}/1/0/"]
    assert {each.notified_at for each in found} == {NOON}


def test_the_upgrade_derives_the_codes_of_stored_errors_from_their_texts(engine: Engine) -> None:
    downgrade(engine, "0013")
    errors = {
        "GitHub refused the token (401 Bad credentials); check GITHUB_TOKEN": "unauthorized",
        "GitHub refuses /repos/acme/web (403: Resource not accessible)": "forbidden",
        "GitHub knows no /repos/acme/web, or the token may not see it (404)": "not_found",
        "there is no organisation or user acme, or it may not be seen": "owner_not_found",
        "GitHub refuses /repos/acme/web (451: Blocked)": "blocked",
        "cannot reach https://api.github.com: no answer in time": None,
        None: None,
    }
    insert_target = text("INSERT INTO targets (name, error, checked_at) VALUES (:name, :error, :now)")
    with engine.begin() as connection:
        for number, error in enumerate(errors):
            connection.execute(insert_target, {"name": str(number), "error": error, "now": NOON})
    upgrade(engine)
    with Session(engine) as session:
        assert [row.error_code for row in session.scalars(select(Target).order_by(Target.name))] == [*errors.values()]


def test_a_downgrade_restores_the_causes_that_own_rules_replaced(engine: Engine) -> None:
    fill(engine)
    index_logs(engine, seconds=10)
    columns = "SELECT job_id, error_line, fingerprint FROM job_logs"
    with engine.connect() as connection:
        before = {row.job_id: (row.error_line, row.fingerprint) for row in connection.execute(text(columns))}
    with Session(engine) as session, session.begin():
        add_rule(session, CauseRule("Registry down", "returned 503", CauseClass.TEST), NOON, by=None, actor=ACTOR)
    assert RuleApplication(engine, lambda: NOON, delay=0).run(seconds=30) > 3
    downgrade(engine, "0016")
    with engine.connect() as connection:
        after = {row.job_id: (row.error_line, row.fingerprint) for row in connection.execute(text(columns))}
    assert {job: line for job, (line, _) in after.items()} == {job: line for job, (line, _) in before.items()}
    # The earlier program computes these from the lines.
    assert {after[job][1] for job in after if after[job] != before[job]} == {"-"}
    assert upgrade(engine) == head_revision()


def test_several_programs_may_migrate_at_once(database_url: str) -> None:
    downgrade(make_engine(database_url), "base")
    failures: list[BaseException] = []

    def migrate() -> None:
        own = make_engine(database_url)
        try:
            upgrade(own)
        except BaseException as error:
            failures.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_database_that_cannot_be_opened_is_named_with_the_remedy(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(DatabaseUnavailable, match=r"DATABASE_URL: .*write"):
        make_engine(f"sqlite:///{blocked}/sub/x.db")
    with pytest.raises(DatabaseUnavailable, match=r"DATABASE_URL: cannot use postgresql\+psycopg2://u:\*\*\*@"):
        upgrade(make_engine("postgresql://u:secret@127.0.0.1:1/x"))


def test_going_back_says_what_it_loses_and_wants_a_yes(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    head = head_revision()
    assert main(["downgrade", "0006"]) == 2
    assert "rules, silences and acknowledgements" in capsys.readouterr().err
    for revision, line in (
        ("base", f"known revisions are 0001, .*{head}"),
        ("9999", "There is no revision '9999'"),
        (head, "is not an earlier one"),
    ):
        assert main(["downgrade", revision, "--yes"]) == 2
        assert re.search(line, capsys.readouterr().err)
    assert main(["downgrade", "0006", "--yes"]) == 0
    assert current_revision(make_engine(database_url)) == "0006"
    assert main(["upgrade"]) == 0
    assert "0007 Rules and silences of alerts" in capsys.readouterr().out


def test_the_changelog_names_the_schema_of_this_version() -> None:
    """Whoever upgrades reads there what its migrations do."""
    told = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = told.split("\n## ")[1]
    assert newest.startswith(VERSION)
    assert f"Schema: revision `{head_revision()}`." in newest
