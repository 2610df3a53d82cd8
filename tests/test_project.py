"""What the documentation says of the settings is true."""

import re
from pathlib import Path

import pytest

from api.config import Settings as ApiSettings
from collector.config import Settings as CollectorSettings
from launch import AppSettings

ROOT = Path(__file__).parents[1]
SETTINGS = {name.upper() for model in (CollectorSettings, ApiSettings, AppSettings) for name in model.model_fields}
# Not offered: set by make run alone.
UNDOCUMENTED = {"DEMO"}


@pytest.mark.parametrize("file", ["README.md", "docs/configuration.md", ".env.example"])
def test_every_setting_is_documented(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert {name for name in SETTINGS - UNDOCUMENTED if not re.search(rf"\b{name}\b", text)} == set()


def test_the_compose_file_names_no_setting_that_does_not_exist() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    own = {"POSTGRES_PASSWORD", "API_PUBLISH", "APP_PUBLISH", "PIPELINE_HEALTH_DEMO"}
    # Read by uvicorn itself.
    own |= {"FORWARDED_ALLOW_IPS"}
    assert used - own - SETTINGS == set()


def test_every_dependency_is_pinned_and_explained() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert version, line
            assert name in architecture, name
