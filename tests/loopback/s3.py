"""An S3 on this machine: moto's server, which fails, holds and counts uploads on order."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "canvases"


@dataclass
class S3:
    """What was asked of the server, and how it has to fail.

    `received` counts the uploads that were answered well, by key. Uploads whose key matches
    `fails` are answered with a 500; from the upload number `holds_after` on they wait, and `held`
    is set, until `released` is; then they are lost.
    """

    url: str = ""
    received: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    fails: re.Pattern[str] | None = None
    failures: int = 0
    holds_after: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """How users of s3fs name a server of their own."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "onlyForTheTests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="someone",
            aws_secret_access_key="onlyForTheTests",
            region_name="us-east-1",
        )

    def objects(self) -> dict[str, bytes]:
        """Every object in the bucket, by key."""
        client, found = self.client(), {}
        for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            body = client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"]
            found[entry["Key"]] = body.read()
        return found

    def delete(self, key: str) -> None:
        self.client().delete_object(Bucket=BUCKET, Key=key)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        """The WSGI application: moto's, with what was ordered before it."""
        key = environ["PATH_INFO"].removeprefix(f"/{BUCKET}/")
        if environ["REQUEST_METHOD"] != "PUT" or key.startswith("/"):
            return _MOTO(environ, start)
        if self.fails and self.fails.search(key):
            self.failures += 1
            environ["wsgi.input"].read(100)  # and no more: the body is cut off in its middle
            start("500 Internal Server Error", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        if self.holds_after is not None and len(self.order) >= self.holds_after:
            self.held.set()
            self.released.wait(60)
            start("500 Internal Server Error", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        answer = _MOTO(environ, start)
        self.received[key] += 1
        self.order.append(key)
        return answer


_MOTO = DomainDispatcherApplication(create_backend_app)


@contextmanager
def served() -> Iterator[S3]:
    """An S3 with an empty bucket, `BUCKET`."""
    s3 = S3()
    server = make_server("127.0.0.1", 0, s3, threaded=True)
    s3.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        s3.client().create_bucket(Bucket=BUCKET)
        yield s3
        client = s3.client()
        for key in s3.objects():
            client.delete_object(Bucket=BUCKET, Key=key)
    finally:
        s3.released.set()
        server.shutdown()
        thread.join()
