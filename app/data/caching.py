"""Caches of what is read for pages. A value is shared only by users who may see the same repositories."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import streamlit as st

from app.data.viewer import current_visibility
from db.visibility import visibility_key

_Parameters = ParamSpec("_Parameters")
_Result_co = TypeVar("_Result_co", covariant=True)
# Few entries suffice for one group of users; each group needs its own.
_MIN_ENTRIES = 16


class CachedQuery(Protocol[_Parameters, _Result_co]):
    """A query with a cache. `clear` empties it for all users."""

    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result_co: ...
    def clear(self) -> None: ...


class _Decorator(Protocol):
    def __call__(self, query: Callable[_Parameters, _Result_co], /) -> CachedQuery[_Parameters, _Result_co]: ...


def cache_data(*, ttl: float, max_entries: int) -> _Decorator:
    """As `st.cache_data`, with entries of their own for each set of visible repositories. `ttl`: in seconds."""
    return _by_visibility(st.cache_data(ttl=ttl, max_entries=max(max_entries, _MIN_ENTRIES), show_spinner=False))


def cache_resource(*, max_entries: int, ttl: float | None = None) -> _Decorator:
    """As `st.cache_resource`, with entries of their own for each set of visible repositories. `ttl`: in seconds."""
    return _by_visibility(st.cache_resource(ttl=ttl, max_entries=max(max_entries, _MIN_ENTRIES), show_spinner=False))


def _by_visibility(decorate: Callable[[Callable[..., Any]], Any]) -> _Decorator:
    def decorator(query: Callable[_Parameters, _Result_co], /) -> CachedQuery[_Parameters, _Result_co]:
        # Streamlit names a cache by the module, the name and the source of the wrapped function.
        @wraps(query)
        def by_visibility(visible: str, *args: Any, **kwargs: Any) -> Any:
            return query(*args, **kwargs)

        signature = inspect.signature(query)
        visible = inspect.Parameter("visible", inspect.Parameter.POSITIONAL_ONLY)
        parameters = [visible, *signature.parameters.values()]
        by_visibility.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        cached = decorate(by_visibility)

        @wraps(query)
        def cached_query(*args: Any, **kwargs: Any) -> Any:
            return cached(visibility_key(current_visibility()), *args, **kwargs)

        cached_query.clear = cached.clear  # type: ignore[attr-defined]
        return cast(CachedQuery[_Parameters, _Result_co], cached_query)

    return decorator
