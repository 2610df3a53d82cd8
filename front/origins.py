"""Does a request come from a page of another site? Browsers say so by Origin and Sec-Fetch-Site; programs send
neither."""

from starlette.types import Scope

from front.hosts import Authority, Origin, origin

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = (b"same-origin", b"none")


def is_foreign(scope: Scope, asked: Authority, public: frozenset[Origin] = frozenset()) -> bool:
    """`asked`: the host of the request. `public`: origins under which a proxy shows this server, whatever Host it
    sends. Ports of one host are different sites; so are http and https where the server knows that it is https."""
    origins, sites = _values(scope, b"origin"), _values(scope, b"sec-fetch-site")
    if any(each.lower() not in _OWN_SITE for each in sites):
        return True
    if not origins:
        return False
    if len(origins) > 1:
        return True
    known = origin(origins[0].decode("latin-1"))
    return known is None or not (known in public or _is_of(known, asked, scope.get("scheme", "http")))


def _is_of(known: Origin, asked: Authority, scheme: str) -> bool:
    """A server behind a proxy that ends TLS takes itself for http: an https origin of the same host is its own."""
    if scheme in ("https", "wss") and known.scheme != "https":
        return False
    return (known.host, known.port) == (asked.host, asked.port_for(known.scheme))


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in scope["headers"] if key == name]
