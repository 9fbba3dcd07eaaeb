"""Who may talk to the page's server, and what its answers allow a browser to do.

A browser sends requests on behalf of any page that it shows. So the name that it was asked for must be ours (a foreign
name that was made to point at loopback is not), so must the page that asks, and it must hold the token of this start:
from the address that `attacca serve` prints, then in a cookie that scripts cannot read, or in a header.
"""

from __future__ import annotations

import secrets

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

TOKEN_HEADER = "X-Attacca-Token"
NOT_HERE = "This is Attacca's control page, but not under this name: open the address that `attacca serve` printed."
FOREIGN = "Another page asked for this: Attacca answers to its own page alone."
NO_TOKEN = "Open the address that `attacca serve` printed: it holds the token of this start."
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Checks each request; `port` is the one that was bound."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(24)
        self._cookie = f"attacca_{port}"
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}
        sockets = " ".join(sorted(f"ws://{host}" for host in self._hosts))
        self._policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.refused = 0

    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self._refusal(request)
            if refusal is not None:
                self.refused += 1
                return refusal
            if request.path == "/" and "token" in request.query:
                return self._let_in()
            return await handler(request)

        return check

    async def sign(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put the headers on an answer before it goes."""
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = self._policy
        response.headers.setdefault("Cache-Control", "no-store")

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.host not in self._hosts:
            return web.Response(status=403, text=NOT_HERE)
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            return web.Response(status=403, text=FOREIGN)
        if self._holds(request.headers.get(TOKEN_HEADER)):
            return None
        if request.path == "/" and "token" in request.query:
            given = request.query["token"]
        else:
            given = request.cookies.get(self._cookie, "")
            if origin is None and request.path == "/socket":  # browsers always name the page that opens a WebSocket
                return web.Response(status=403, text=FOREIGN)
        return None if self._holds(given) else web.Response(status=401, text=NO_TOKEN)

    def _holds(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(errors="replace"), self.token.encode())

    def _let_in(self) -> web.Response:
        """Keep the token in a cookie, and leave it out of the address from here on."""
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response
