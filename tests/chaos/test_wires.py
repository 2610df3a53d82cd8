"""Names that do not resolve, certificates that are not good, and answers that break off, drip or never end: whatever
lies between the collector and GitHub, and between it and Slack, it says so, and reads and sends everything later."""

import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from sqlalchemy import Engine

from tests.chaos.account import FULL, on
from tests.chaos.scene import Scene, collector_of, is_root, scene, until
from tests.chaos.wire import Fault, Wire

HOSTS = ("github.chaos.test", "slack.chaos.test")
SECONDS = 45.0 if FULL else 0.8
_CERTIFICATES = ("expired", "self-signed", "of another host")
_FAULTS = (Fault.REFUSED, Fault.RESET, Fault.PAGE, Fault.DRIP, Fault.TOO_LONG, Fault.ENDLESS)
BAD_FOR_SLACK = (*_CERTIFICATES, *(each.value for each in _FAULTS)) if FULL else ("expired", Fault.RESET.value)
# In a namespace of its own, so that nobody else's names change; a name server that refuses is quicker than none.
_OWN_NAMES = ("unshare", "-m", "--", "sh", "-c", 'mount --bind "$CHAOS_HOSTS" /etc/hosts && '
              'mount --bind "$CHAOS_RESOLVER" /etc/resolv.conf && exec "$@"', "sh")  # fmt: skip


@dataclass
class Names:
    """Of both servers; without rights to change what names mean, they are called by their address."""

    folder: Path

    def __post_init__(self) -> None:
        self.changeable = is_root()
        self.known()
        (self.folder / "resolver").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    def known(self) -> None:
        self._write(f"127.0.0.1 {' '.join(HOSTS)}\n")

    def unknown(self) -> None:
        self._write("")

    def _write(self, line: str) -> None:
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{line}")

    @property
    def environment(self) -> dict[str, str]:
        return {"CHAOS_HOSTS": str(self.folder / "hosts"), "CHAOS_RESOLVER": str(self.folder / "resolver")}


class Certificates:
    """By what is wrong with them; null for the good one."""

    def __init__(self, folder: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        self.bundle = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.bundle)
        past = datetime.now(UTC) - timedelta(days=1)
        names = (*HOSTS, "127.0.0.1")
        self.contexts = {
            name: _context(certificate)
            for name, certificate in {
                "": authority.issue_cert(*names),
                "expired": authority.issue_cert(*names, not_after=past),
                "self-signed": stranger.issue_cert(*names),
                "of another host": authority.issue_cert("elsewhere.example"),
            }.items()
        }


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


@contextmanager
def wires(made: Scene, names: Names, certificates: Certificates) -> Iterator[list[Wire]]:
    with ExitStack() as stack:
        laid = [
            stack.enter_context(Wire(made.github).laid()),
            stack.enter_context(Wire(made.slack.url, forwards=False).laid()),
        ]
        for wire in laid:
            wire.context = certificates.contexts[""]
        hosts = HOSTS if names.changeable else ("127.0.0.1", "127.0.0.1")
        path = made.slack.url.partition("/services")[2]
        made.github = f"https://{hosts[0]}:{laid[0].port}"
        made.slack_url = f"https://{hosts[1]}:{laid[1].port}/services{path}"
        yield laid


class Trial:
    """A collector behind wires that a test breaks and mends."""

    def __init__(self, made: Scene, api: str, laid: list[Wire], names: Names, certificates: Certificates) -> None:
        self.made, self.api, self.laid, self.names, self.certificates = made, api, laid, names, certificates
        self.alerts = 0
        self.collector = made.execute(
            "collector" if FULL else "tests.chaos.hasty", "collector", before=_OWN_NAMES if names.changeable else (),
            REQUESTS_CA_BUNDLE=str(certificates.bundle), SSL_CERT_FILE=str(certificates.bundle), **names.environment,
        )  # fmt: skip
        made.wait_until_equal()

    def breaks(self) -> None:
        """A workflow, while nobody can be reached."""
        self.made.happens(f"Flow {self.alerts}", "failure", "failure", "failure")
        self.alerts += 1

    def recovers(self, after: str) -> None:
        until(lambda: collector_of(self.api)["status"] == "ok", 60, f"well after {after}")
        self.made.wait_until_equal()

    def is_told(self, words: str) -> None:
        until(lambda: words in collector_of(self.api)["detail"], 60, f"health says {words}")
        assert collector_of(self.api)["status"] == "degraded"
        assert self.collector.poll() is None

    def of_names(self) -> None:
        if not self.names.changeable:
            print("names stayed: changing them takes root, to mount over /etc/hosts in a namespace of its own")
            return
        self.breaks()
        self.names.unknown()
        self.is_told("cannot reach https://github.chaos.test")
        self.names.known()

    def of_certificates(self) -> None:
        self.breaks()
        for name, context in self.certificates.contexts.items():
            for wire in self.laid:
                wire.context = context
            if name:
                before = self.laid[0].met
                until(lambda before=before: self.laid[0].met > before, 60, f"certificate {name}")  # type: ignore[misc]
                self.is_told("TLS certificate is not trusted")

        for wire in self.laid:
            wire.context = self.certificates.contexts[""]

    def of_answers(self) -> None:
        self.breaks()
        for fault in Fault:
            self.made.happens("CI", "success", "failure", "success")
            before = self.laid[0].met
            for wire in self.laid:
                wire.fault = fault
            if fault is not Fault.NONE:
                until(lambda before=before: self.laid[0].met > before, 60, fault.value)  # type: ignore[misc]
                time.sleep(SECONDS)
            assert self.collector.poll() is None
            if FULL:
                for wire in self.laid:
                    wire.fault = Fault.NONE
                self.recovers(fault.value)

    def of_slack(self) -> None:
        """GitHub can be read again, so that there is something to send."""
        github, slack = self.laid
        github.fault, slack.fault = Fault.NONE, Fault.NONE
        self.breaks()
        for name in BAD_FOR_SLACK:
            fault = next((each for each in Fault if each.value == name), Fault.NONE)
            slack.fault, slack.context = fault, self.certificates.contexts[name if fault is Fault.NONE else ""]
            before = slack.met
            until(lambda before=before: slack.met > before, 200, f"Slack: {name}")  # type: ignore[misc]
            assert self.made.slack.taken == []
        slack.fault, slack.context = Fault.NONE, self.certificates.contexts[""]


@on("sqlite")
def test_whatever_breaks_on_the_way_is_told_and_made_good(engine: Engine, database_url: str, tmp_path: Path) -> None:
    names, certificates = Names(tmp_path), Certificates(tmp_path)
    with (
        scene(engine, database_url, tmp_path) as made,
        made.api() as api,
        wires(made, names, certificates) as laid,
    ):
        trial = Trial(made, api, laid, names, certificates)
        for fault in (trial.of_names, trial.of_certificates, trial.of_answers, trial.of_slack):
            fault()
            if FULL:
                trial.recovers(fault.__name__)
        trial.recovers("all")
        made.wait_until_sent(trial.alerts, seconds=300 if FULL else 60)
        assert made.end(trial.collector)[0] == 0
        made.assert_each_sent_once()
        print(f"GitHub's answers were broken {laid[0].met} times, Slack's {laid[1].met} times")
    assert "Traceback" not in made.log("collector")
