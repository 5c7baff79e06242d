"""A web server on this machine that gives files to those alone who have password and signature."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "uniqueUser", "uniquePassword"
SIGNATURES = ("uniqueSignature", "laterSignature")
_LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass(frozen=True)
class Guarded:
    """A server at `host`."""

    host: str

    def url(self, path: str, signature: str) -> str:
        """The signed address of a file."""
        return f"http://{USER}:{PASSWORD}@{self.host}/{path}?sig={signature}&se=2030"


@contextmanager
def guarding(find: Callable[[Guarded, str, str], bytes | None]) -> Iterator[Guarded]:
    """Serve the files that `find(server, path, signature)` knows."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            signature = parse_qs(address.query).get("sig", [""])[0]
            known = signature in SIGNATURES and self.headers.get("Authorization") == _LOGIN
            data = find(guarded, address.path[1:], signature) if known else None
            self.send_response(403 if not known else 404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data or b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        guarded = Guarded(f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield guarded
        finally:
            server.shutdown()
            thread.join()
