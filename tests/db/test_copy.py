"""Moving from one database to another: all of it, as it was at one moment, or nothing."""

import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.orm import Session

from db.__main__ import main
from db.backup.contents import BackupError, require_empty
from db.backup.copying import copy_database
from db.definitions.scope import Scope
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import NotMigrated, downgrade, upgrade
from db.models import Alert, AlertRule, Attempt, Base, Job, JobLog, Run
from db.saved_views import delete_view, save_view
from health.metrics.service import snapshot
from tests.builders import ACTOR, NOON, add_repository, run, store_runs
from tests.databases import with_name
from tests.db.everything import PER_TABLE, fill_everything, rows_of
from tests.db.history import LONG, fill
from tests.db.places import WRITER, NewDatabase, keep_writing, number_of_targets, start, unwatched, url_of
from tests.kept import Kept

# A source of each kind, and a target of each.
ACROSS = pytest.mark.parametrize(
    ("database_url", "kind"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], indirect=["database_url"]
)
# Back by the way it came is one way more.
WAYS = pytest.mark.parametrize(
    ("database_url", "kind"),
    [("sqlite", "postgresql"), ("sqlite", "sqlite"), ("postgresql", "postgresql")],
    indirect=["database_url"],
)


def test_no_table_and_no_column_is_left_empty_by_what_is_copied_here(engine: Engine) -> None:
    fill_everything(engine)
    for name, rows in rows_of(engine).items():
        assert len(rows) == PER_TABLE, name
        assert all(any(value is not None for value in column) for column in zip(*rows, strict=True)), name


@WAYS
def test_every_row_arrives_and_comes_back(engine: Engine, new: NewDatabase, kind: str) -> None:
    fill_everything(engine)
    there = new(kind)
    seen: list[tuple[int, int]] = []
    counted = copy_database(engine, there, lambda done, total: seen.append((done, total)))
    assert rows_of(there) == rows_of(engine)
    assert {(each.rows_read, each.rows_written) for each in counted} == {(PER_TABLE, PER_TABLE)}
    assert {each.table for each in counted} == set(Base.metadata.tables)
    total = PER_TABLE * len(Base.metadata.tables)
    assert (seen[0], seen[-1]) == ((0, total), (total, total))
    if kind != engine.dialect.name:
        back = new(engine.dialect.name)
        copy_database(there, back, unwatched)
        assert rows_of(back) == rows_of(engine)


@WAYS
def test_a_copy_is_migrated_whole_and_goes_on(
    engine: Engine, new: NewDatabase, kind: str, request: pytest.FixtureRequest
) -> None:
    """With all its indexes and ids after those that are there."""
    fill_everything(engine)
    there = new(kind)
    copy_database(engine, there, unwatched)
    assert indexes(there) == indexes_of_a_new_one(kind, request)
    with Session(there) as session, session.begin():
        values = {"repository_id": 1, "rule": "x", "threshold": "3", "state": "firing", "opened_at": NOON}
        assert session.execute(insert(Alert).values(**values)).inserted_primary_key == (PER_TABLE + 1,)
    if {engine.dialect.name, kind} == {"postgresql"}:
        with Session(there) as session:
            assert session.scalar(text("SELECT nextval('alert_rules_id_seq')")) == 41


@pytest.mark.parametrize("deleted", [(4, 5), (1, 2, 3, 4, 5)], ids=["the newest", "all"])
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_copy_does_not_give_the_id_of_a_deleted_view_to_another(
    engine: Engine, new: NewDatabase, kind: str, deleted: tuple[int, ...]
) -> None:
    """Links contain the ids of views."""
    add_repository(engine)
    with Session(engine) as session, session.begin():
        for number in range(1, 6):
            assert save_view(session, f"view {number}", "", "", "", owner=None, now=NOON, actor=ACTOR) == number
        for number in deleted:
            delete_view(session, number, user=None, now=NOON, actor=ACTOR)
    there = new(kind)
    copy_database(engine, there, unwatched)
    with Session(there) as session, session.begin():
        assert save_view(session, "next", "", "", "", owner=None, now=NOON, actor=ACTOR) == 6


def indexes_of_a_new_one(kind: str, request: pytest.FixtureRequest) -> set[str]:
    template = request.getfixturevalue(f"{kind}_template")
    on_server = kind == "postgresql"
    url = with_name(request.getfixturevalue("postgresql_url"), template) if on_server else f"sqlite:///{template}"
    untouched = make_engine(url)
    found = indexes(untouched)
    # Of what somebody has open PostgreSQL makes no copies.
    untouched.dispose()
    return found


def indexes(engine: Engine) -> set[str]:
    query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    if engine.dialect.name == "postgresql":
        query = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
    with engine.connect() as connection:
        return set(connection.scalars(text(query)))


@ACROSS
def test_figures_are_the_same_after_a_move(engine: Engine, new: NewDatabase, kind: str, kept: Kept) -> None:
    kept.fill(engine, fill)
    there = new(kind)
    copy_database(engine, there, unwatched)
    figures = []
    for each in (engine, there):
        with Session(each) as session:
            figures.append(snapshot(session, Scope(), LONG))
    assert figures[0] == figures[1]
    assert figures[0].runs.total == 600


@ACROSS
def test_a_copy_is_what_was_there_at_one_moment_while_another_program_writes(
    engine: Engine, new: NewDatabase, kind: str
) -> None:
    """Each of its transactions writes a row of a table that is read early, and of one that is read late."""
    add_repository(engine)
    there = new(kind)
    with start(WRITER, url_of(engine)) as writer:
        try:
            keep_writing(engine, writer)
            copy_database(engine, there, lambda done, total: keep_writing(engine, writer))
        finally:
            writer.kill()
    with Session(there) as session:
        attempts = session.scalars(select(Attempt.run_id).order_by(Attempt.run_id)).all()
    assert list(attempts) == list(range(1, number_of_targets(there) + 1))
    assert 3 <= len(attempts) <= number_of_targets(engine) - 9


def test_what_postgresql_refuses_is_written_as_elsewhere(tmp_path: Path, new: NewDatabase) -> None:
    source, there = new("sqlite"), new("postgresql")
    upgrade(source)
    add_repository(source)
    store_runs(source, run(1, title="a\x00b", actor="x" * 300))
    with Session(source) as session, session.begin():
        for number, steps in enumerate((["\x00", {"\ud800k": "🚀 \udfff"}], ["🚀", "\\u0000"], None), 1):
            values = {"repository_id": 1, "run_id": 1, "attempt": 1, "name": "j", "status": "queued"}
            session.execute(insert(Job).values(**values, id=number, labels=[], steps=steps or []))
    copy_database(source, there, unwatched)
    with Session(there) as session:
        stored = session.scalars(select(Run)).one()
        assert (stored.title, stored.actor) == ("a\ufffdb", "x" * 200)
        steps_there = session.scalars(select(Job.steps).order_by(Job.id)).all()
    assert list(steps_there) == [["\ufffd", {"\ufffdk": "🚀 \ufffd"}], ["🚀", "\\u0000"], []]


def test_large_rows_are_not_held_in_memory_together(engine: Engine, new: NewDatabase) -> None:
    there = new("postgresql" if engine.dialect.name == "sqlite" else "sqlite")
    add_repository(engine)
    with Session(engine) as session, session.begin():
        values = {"repository_id": 1, "run_id": 1, "state": "stored", "requested_at": NOON}
        for number in range(300):
            session.execute(insert(JobLog).values(**values, job_id=number, content=number.to_bytes(2) * 100_000))
    tracemalloc.start()
    try:
        copy_database(engine, there, unwatched)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000, "the logs have 60 MB"
    with Session(there) as session:
        assert session.scalar(select(func.sum(func.length(JobLog.content)))) == 60_000_000


@ACROSS
def test_an_interrupted_copy_leaves_nothing_and_can_be_started_again(
    engine: Engine, new: NewDatabase, kind: str
) -> None:
    fill_everything(engine)
    there = new(kind)

    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_database(engine, there, interrupt)
    require_empty(there, "")
    copy_database(engine, there, unwatched)
    assert rows_of(there) == rows_of(engine)


KILLED = """
import sys, time
from db.engine import make_engine
from db.backup.copying import copy_database
def watch(done, total):
    if done > total / 2:
        print("half", flush=True)
        time.sleep(600)
copy_database(make_engine(sys.argv[1]), make_engine(sys.argv[2]), watch)
"""


@ACROSS
def test_a_killed_copy_leaves_nothing_and_can_be_started_again(engine: Engine, new: NewDatabase, kind: str) -> None:
    fill_everything(engine)
    there = new(kind)
    with start(KILLED, url_of(engine), url_of(there)) as copying:
        assert copying.stdout
        assert copying.stdout.readline() == "half\n"
        copying.kill()
    copy_database(engine, there, unwatched)
    assert rows_of(there) == rows_of(engine)


def test_what_does_not_fit_is_told_in_one_line_and_nothing_is_written(new: NewDatabase) -> None:
    source, there = new("sqlite"), new("postgresql")
    upgrade(source)
    add_repository(source)
    store_runs(source, run(1))
    with Session(source) as session, session.begin():
        session.execute(update(Run).values(run_number=2**40))
    with pytest.raises(DatabaseUnavailable, match=r"failed: .*1099511627776.*nothing was written") as told:
        copy_database(source, there, unwatched)
    assert "\n" not in str(told.value)
    require_empty(there, "")


@ACROSS
def test_a_database_with_rows_is_never_added_to(engine: Engine, new: NewDatabase, kind: str) -> None:
    fill_everything(engine)
    there = new(kind)
    upgrade(there)
    with Session(there) as session, session.begin():
        session.execute(update(AlertRule).values(open_at=7, updated_at=NOON))
    before = rows_of(there)
    with pytest.raises(BackupError, match=r"not empty \(alert_rules\); .*name a new database"):
        copy_database(engine, there, unwatched)
    assert rows_of(there) == before


def test_what_cannot_be_read_is_refused(engine: Engine, new: NewDatabase, tmp_path: Path) -> None:
    there = new("sqlite")
    with pytest.raises(BackupError, match=r"holds no data to copy"):
        copy_database(engine, there, unwatched)
    fill_everything(engine)
    missing = make_engine(f"sqlite:///{tmp_path}/typo.db", variable="--from")
    with pytest.raises(BackupError, match=r"--from: there is no file"):
        copy_database(missing, there, unwatched)
    with pytest.raises(BackupError, match=r"not empty|is the source database"):
        copy_database(engine, make_engine(url_of(engine)), unwatched)
    downgrade(engine, "0008")
    with pytest.raises(NotMigrated, match="db upgrade"):
        copy_database(engine, there, unwatched)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BackupError, match=r"9999.*update this program"):
        copy_database(engine, there, unwatched)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(BackupError, match="is not a database of Pipeline Health"):
        copy_database(engine, there, unwatched)
    assert not (tmp_path / "typo.db").exists()
    assert not Path(there.url.database or "").exists()


def test_a_file_that_somebody_has_open_is_not_filled(engine: Engine, new: NewDatabase) -> None:
    fill_everything(engine)
    there = new("sqlite")
    upgrade(there)
    other = make_engine(url_of(there), variable="--to")
    with other.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM runs").all()
        with pytest.raises(BackupError, match=r"another program has .* open; stop it"):
            copy_database(engine, there, unwatched)
    other.dispose()
    copy_database(engine, there, unwatched)


def test_the_command_tells_the_rows_of_both_in_a_table(
    engine: Engine, new: NewDatabase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_repository(engine)
    store_runs(engine, run(1), run(2))
    there = new("sqlite")
    monkeypatch.setenv("DATABASE_URL", url_of(engine))
    assert main(["copy", "--to", url_of(there)]) == 0
    told = capsys.readouterr()
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[0] == ["table", "read", "written"]
    assert ["runs", "2", "2"] in lines
    assert told.err == ""
    assert main(["copy", "--to", url_of(there)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("--to: ")
    assert "not empty" in told.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["--to", "mysql://u:hunter2@h/n"],
            2,
            "--to: unsupported database 'mysql'; expected sqlite:///PATH or postgresql://",
        ),
        (["--to", "sqlite:////proc/no/x.db"], 1, "--to: cannot create the folder /proc/no"),
        (["--to", "hunter2"], 2, "--to: the value is not a URL"),
        (["--from", "sqlite:///typo.db", "--to", "sqlite:///x.db"], 2, "--from: there is no file typo.db"),
        (["--from", "sqlite://", "--to", "sqlite:///x.db"], 2, "--from: a database in memory"),
        (["--from", "postgresql://u:hunter2@127.0.0.1:1/x", "--to", "sqlite:///x.db"], 1, "--from: cannot use"),
    ],
)
def test_what_cannot_be_copied_is_one_line_without_the_password(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(told)
    assert said.err.count("\n") == 1
    assert "hunter2" not in said.err
