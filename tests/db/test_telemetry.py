"""Lines of the log: whatever is in them, each is one line, says where it belongs, and tells no secret."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.logging import FIELDS, bind, formatter, log_context, logging_config
from db.settings import DatabaseSettings

FORGED = 'x\n12:00:00 INFO    all is well\r\x1b[2K\x85\u2028{"level": "info"}\u202e\ud800\x00'
TOKEN = "ghp_" + "a1B2" * 9


def line(env: str, message: str, *values: object, secrets: tuple[str, ...] = (), **given: Any) -> str:
    record = logging.LogRecord("api.access", logging.WARNING, __file__, 1, message, values, given.pop("exc_info", None))
    vars(record).update(given)
    return formatter("api", env, secrets).format(record)


def fields(message: str, *values: object, **given: Any) -> dict[str, Any]:
    return dict(json.loads(line("prod", message, *values, **given)))


def test_in_production_a_record_is_one_object_with_all_its_fields() -> None:
    with log_context(request_id="r-1"):
        with log_context(delivery_id="d-1", task=None):
            bind(outcome="stored")
            found = fields("%s of %d", "one", 2, repository="acme/web", alert_ids=[7], color_message="no")
        outside = fields("after")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("ts"))
    assert found == {
        "level": "warning", "service": "api", "logger": "api.access", "message": "one of 2", "request_id": "r-1",
        "delivery_id": "d-1", "outcome": "stored", "repository": "acme/web", "alert_ids": [7],
    }  # fmt: skip
    assert outside["request_id"] == "r-1"
    assert "delivery_id" not in outside
    assert "request_id" not in fields("later")


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_text_from_outside_neither_breaks_a_line_nor_forges_one(env: str) -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        written = line(env, "said: %s", FORGED, exc_info=sys.exc_info(), repository=FORGED, request_id=FORGED)
    written.encode()
    lines = written.splitlines()
    assert all(each.isprintable() for each in lines)
    if env == "prod":
        assert len(lines) == 1
        assert json.loads(written)["message"] == f"said: {FORGED}"
        assert FORGED in json.loads(written)["exception"]
    else:
        assert "said: x\\n12:00:00 INFO    all is well\\r\\x1b[2K" in lines[0]
        assert all(each.startswith("    ") for each in lines[1:])


@pytest.mark.parametrize("env", ["dev", "prod"])
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"token {TOKEN} refused", "refused"),
        ("postgresql://health:s3cr3t@db:5432/health", "postgresql://health:***@db:5432/health"),
        ("https://hooks.slack.com/services/T0/B0/s3cr3t is away", "is away"),
        ("GET https://storage.example/x?sv=1&sig=s3cr3t%3D&se=2 failed", "&se=2 failed"),
        ("Authorization: Bearer s3cr3t.s3cr3t.s3cr3t", "Authorization: Bearer ***"),
        ("xoxb-s3cr3t-other is no bot", "is no bot"),
        ("the value correct-horse-battery was refused", "was refused"),
        ("smtp login me:p@ss/word1 and p%40ss%2Fword1", "smtp login me:*** and ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\n-----END RSA PRIVATE KEY-----, unreadable", "unreadable"),
    ],
)
def test_secrets_are_in_no_message_and_in_no_exception(env: str, text: str, kept: str) -> None:
    secrets = ("correct-horse-battery,second-key", "smtp://me:p%40ss%2Fword1@mail:25")
    try:
        raise RuntimeError(text)
    except RuntimeError:
        written = line(env, "%s", text, secrets=secrets, exc_info=sys.exc_info(), path=text)
    assert written.count(kept) >= 2
    assert not re.search(r"s3cr3t|a1B2a1B2|correct-horse|p@ss|p%40ss", written)


def test_no_text_makes_it_slow_or_long() -> None:
    for hostile in ("a.b-" * 500_000, "://" * 500_000, "-----BEGIN " * 200_000, "eyJ" + "a" * 2_000_000):
        assert len(line("prod", "%s", hostile)) < 9_000


def test_a_record_that_is_badly_made_is_told_nevertheless() -> None:
    assert fields("%d runs", "many")["message"].startswith("%d runs (cannot be formatted")


def test_the_settings_name_what_is_secret() -> None:
    class Settings(DatabaseSettings):
        key: SecretStr | None = None
        plain: str = "https://example.com:8080/x"

    made = Settings(database_url="postgresql://me:hunter2hunter2@h/n", key=SecretStr("k"), _env_file=None)
    assert made.secret_values() == ("k", "postgresql://me:hunter2hunter2@h/n")
    assert Settings(_env_file=None).secret_values() == ()


def test_libraries_write_through_the_same_handler() -> None:
    made = logging_config("api", "prod")
    assert {"uvicorn", "uvicorn.error", "sqlalchemy", "apscheduler"} <= set(made["loggers"])
    assert all(each["propagate"] and not each["handlers"] for each in made["loggers"].values())


def test_every_field_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text("utf-8")
    names = (*FIELDS, "ts", "level", "service", "logger", "message", "exception")
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("password", ["postgres", "password", "health"])
def test_a_password_that_is_a_word_of_other_lines_leaves_them_readable(password: str) -> None:
    url = f"postgresql://postgres:{password}@db.example.com/postgres"
    told = 'FATAL: password authentication failed for user "postgres" of pipeline-health'
    shown = line("dev", f"cannot use {url}: {told}", secrets=(password,))
    assert shown.endswith(f"cannot use postgresql://postgres:***@db.example.com/postgres: {told}")
