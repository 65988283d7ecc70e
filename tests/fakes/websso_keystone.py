"""The real Keystone behind a stand-in for Apache's mod_auth_openidc and an identity provider.

    python -m tests.fakes.websso_keystone CONFIG_FILE PORT

At the paths of WebSSO it shows a page with a button for each user. With the cookie that the button sets, it
passes on to Keystone what the module would: the user's name and the issuer.
"""

from __future__ import annotations

import sys
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from chrysaetos.demo import keystone_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

ISSUER = "https://accounts.example.com"
USERS = ("carol", "outsider")
_COOKIE = "identity-provider-user"


def protected(application: Wsgi) -> Wsgi:
    """Return the application behind the identity provider."""

    def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # A client cannot send these by itself.
        for name in ("REMOTE_USER", "HTTP_OIDC_ISS"):
            environ.pop(name, None)
        if "/OS-FEDERATION/websso/" not in environ["PATH_INFO"]:
            return application(environ, start_response)
        query = environ["QUERY_STRING"]
        chosen = parse_qs(query).get("user")
        if chosen:
            again = environ["PATH_INFO"] + "?" + query.replace(f"&user={chosen[0]}", "")
            cookie = f"{_COOKIE}={chosen[0]}; Path=/; HttpOnly"
            start_response("303 See Other", [("Location", again), ("Set-Cookie", cookie)])
            return [b""]
        user = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(_COOKIE)
        if user is None:
            links = "".join(f'<p><a id="{name}" href="?{query}&user={name}">{name}</a></p>' for name in USERS)
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [f"<!doctype html><title>Identity provider</title>{links}".encode()]
        environ |= {"REMOTE_USER": user.value, "HTTP_OIDC_ISS": ISSUER}
        return application(environ, start_response)

    return respond


def main(arguments: list[str]) -> int:
    """Serve until the process is stopped."""
    from keystone.server import wsgi  # noqa: PLC0415  # slow to import

    initialize = wsgi.initialize_public_application
    wsgi.initialize_public_application = lambda: protected(initialize())
    return keystone_server.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
