"""Prices of runners from PRICES_FILE.

The collector reads the file and stores the prices in the database, so that all programs compute with the same ones."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from core.text import clean
from db.collection.heartbeat_detail import PRICES_HEARTBEAT
from db.definitions.prices import EMPTY_PRICE_LIST, PriceList
from db.models import Heartbeat

_SECTIONS = ("labels", "groups", "names")
_MAX_FILE_BYTES, _MAX_USD = 1_000_000, 1000.0
_SESSION_KEY = "price list"


def price_list(session: Session) -> PriceList:
    """Returns the stored prices; empty where there are none. They are read once per session."""
    prices: PriceList | None = session.info.get(_SESSION_KEY)
    if prices is None:
        row = session.get(Heartbeat, PRICES_HEARTBEAT)
        prices = session.info[_SESSION_KEY] = price_list_from_detail(row.detail) if row else EMPTY_PRICE_LIST
    return prices


def price_list_from_detail(detail: dict[str, Any]) -> PriceList:
    """Returns the prices in the detail of a heartbeat."""
    if not any(detail.get(name) for name in _SECTIONS):
        return EMPTY_PRICE_LIST
    return PriceList(**{name: dict(detail.get(name) or {}) for name in _SECTIONS})


def price_list_detail(prices: PriceList) -> dict[str, Any]:
    return asdict(prices)


def read_price_list(path: str) -> PriceList:
    """Returns the prices of the file. Raises ValueError, with one line, where the file cannot be read or is invalid."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; set the path of a readable file") from None
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError(f"{path} is larger than {_MAX_FILE_BYTES:,} bytes, the limit of a price list")
    try:
        parsed = yaml.safe_load(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not YAML{_error_position(error)}") from None
    if parsed is None:
        return EMPTY_PRICE_LIST
    sections = _mapping(path, "the file", parsed)
    unknown = next((name for name in sections if name not in _SECTIONS), None)
    if unknown is not None:
        raise ValueError(f"{path}: unknown section {str(unknown)[:40]!r}; expected {' or '.join(_SECTIONS)}")
    return PriceList(**{str(name): _prices(path, str(name), section) for name, section in sections.items()})


def _prices(path: str, section: str, value: object) -> dict[str, float]:
    prices: dict[str, float] = {}
    for key, price in _mapping(path, section, {} if value is None else value).items():
        pattern = str(key).strip()
        if not pattern:
            raise ValueError(f"{path}: {section}: empty name; expected a runner name or a pattern with * and ?")
        is_number = isinstance(price, (int, float)) and not isinstance(price, bool)
        if not is_number or not math.isfinite(price) or not 0 <= price <= _MAX_USD:
            raise ValueError(
                f"{path}: {section}: {pattern[:60]!r}: invalid price {str(price)[:40]!r}; expected US dollars "
                f"per minute, a number from 0 to {_MAX_USD:g}"
            )
        prices[pattern] = float(price)
    return prices


def _mapping(path: str, section: str, value: object) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: {section} is not a mapping; expected names with prices, such as gpu-box: 0.05")
    return value


def _error_position(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None)
    position = f" at line {mark.line + 1}" if mark else ""
    return f"{position}: {clean(reason, 100)}" if reason else position
