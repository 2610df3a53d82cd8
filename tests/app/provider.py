"""A small OpenID Connect provider on loopback: discovery, keys, codes with PKCE, signed ID tokens, and signing out. It
signs in whoever `person` is, as a provider does that knows the browser already."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "dashboard", "client-secret-of-the-test-0123456789"
ALICE = {"sub": "1", "email": "alice@example.com", "email_verified": True, "name": "Alice"}
MALLORY = {"sub": "2", "email": "mallory@evil-example.com", "email_verified": True, "name": "Mallory"}


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Provider:
    url: str = ""
    person: dict[str, Any] = field(default_factory=lambda: dict(ALICE))
    redirect: str = ""
    # The nonce of an ID token, where it is to be another than the one asked for.
    nonce: str | None = None
    denies: bool = False
    # How many seconds ago somebody signed in, by what the provider says.
    age: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    signed_out: int = 0
    scope: str = ""
    # How often it was asked for its description, and whether it fails to give one.
    descriptions: int = 0
    is_down: bool = False

    @property
    def metadata(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def described(self) -> dict[str, Any]:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks",
                "end_session_endpoint": "end"}  # fmt: skip
        return {name: f"{self.url}/{path}" for name, path in ends.items()} | {
            "issuer": self.url, "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
        }  # fmt: skip

    def keys(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_key().public_key()))
        return {"keys": [key | {"kid": "one", "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes next."""
        assert asked["redirect_uri"] == self.redirect
        assert asked["client_id"] == CLIENT
        self.scope = asked["scope"]
        assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
        if self.denies:
            return f"{self.redirect}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{self.redirect}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, sent: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Null for what no provider takes: a code that is not known any more, another client, another browser."""
        asked = self.codes.pop(sent.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        client = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if asked is None or client != f"{CLIENT}:{SECRET}" or sent["redirect_uri"] != self.redirect:
            return None
        if challenge.rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now - self.age,
            "exp": now + 300,
            "nonce": self.nonce or asked["nonce"],
        }
        signed = jwt.encode(claims | self.person, _key(), "RS256", headers={"kid": "one"})
        return {"access_token": "access-token-of-the-test", "token_type": "Bearer", "id_token": signed}


@contextmanager
def provider() -> Iterator[Provider]:
    found = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/authorize":
                self._go(found.authorize(asked))
            elif parts.path == "/end":
                found.signed_out += 1
                self._go(asked["post_logout_redirect_uri"])
            elif parts.path == "/jwks":
                self._say(200, found.keys())
            else:
                found.descriptions += 1
                self._say(503 if found.is_down else 200, found.described())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent = {name: values[0] for name, values in parse_qs(body).items()}
            answer = found.token(sent, self.headers.get("Authorization", ""))
            self._say(200 if answer else 400, answer or {"error": "invalid_grant"})

        def _go(self, address: str) -> None:
            self.send_response(302)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _say(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
