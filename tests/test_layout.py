"""The layout of the repository: every package is covered by the import contracts, and modules stay readable."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Not part of the product: the contracts do not cover them.
NOT_PRODUCT = {"tests", "bench", "deploy"}
# Streamlit puts app/ first on sys.path, where such a module would hide the package of that name.
RESERVED = {"app", "api", "collector", "core", "db", "demo", "health"}
MAX_LINES = 400
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")}
MODULES = [path for package in sorted(PACKAGES - NOT_PRODUCT) for path in sorted((ROOT / package).rglob("*.py"))]


def test_every_package_has_a_place_in_the_import_contracts() -> None:
    assert set(CONFIG["root_packages"]) == PACKAGES - NOT_PRODUCT
    layers = {name.split(".")[0] for layer in CONFIG["contracts"][0]["layers"] for name in layer.split(" | ")}
    assert layers == PACKAGES - NOT_PRODUCT
    acyclic = next(contract for contract in CONFIG["contracts"] if contract["type"] == "acyclic_siblings")
    assert set(acyclic["ancestors"]) == PACKAGES - NOT_PRODUCT


def test_every_package_of_the_domain_has_a_layer() -> None:
    layers = [name for layer in CONFIG["contracts"][0]["layers"] for name in layer.split(" | ")]
    children = {path.stem for path in (ROOT / "health").iterdir() if path.name not in ("__init__.py", "__pycache__")}
    assert {name.removeprefix("health.") for name in layers if name.startswith("health.")} == children


def test_there_are_at_most_six_import_contracts() -> None:
    assert len(CONFIG["contracts"]) <= 6


@pytest.mark.parametrize("package", sorted(PACKAGES - NOT_PRODUCT))
def test_every_folder_with_modules_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    # Alembic reads migrations as files.
    missing = [
        folder for folder in folders if not (folder / "__init__.py").exists() and "migrations" not in folder.parts
    ]
    assert missing == []


def test_modules_are_not_longer_than_a_reader_can_follow() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {str(path): lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_module_of_the_dashboard_hides_a_package() -> None:
    names = {path.stem for path in (ROOT / "app").iterdir()} | {path.stem for path in (ROOT / "app").glob("*.py")}
    assert names & RESERVED == set()


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_files_that_the_documentation_names_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
    named = re.compile(rf"`((?:{'|'.join(sorted(PACKAGES))})/[a-z0-9_./]+)`")
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages
        for name in named.findall(page.read_text(encoding="utf-8"))
        if not ((ROOT / name).exists() or (ROOT / f"{name}.py").exists())
    ]
    assert missing == []
