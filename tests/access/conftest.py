"""Fixtures of the dashboard."""

from tests.app.conftest import _packages_looked_through_once, with_login

__all__ = ["_packages_looked_through_once", "with_login"]
