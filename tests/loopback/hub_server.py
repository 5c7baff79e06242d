"""The HTTP interface of `hub.Hub`, as huggingface_hub and datasets use it, without Xet."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hub import LARGE, Blob, Fault, Hub, Repository

_NAME = r"(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
_INVALID = "Invalid credentials in Authorization header"


class _Answer(Exception):  # noqa: N818 - an answer, right or wrong
    """Ends a request."""

    def __init__(self, status: int, data: Any = None, **headers: str) -> None:
        self.status, self.data, self.headers = status, data, headers


def _refusal(status: int, code: str, message: str) -> _Answer:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return _Answer(status, {"error": message}, **{key: v for key, v in headers.items() if v})


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's ACK

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        address = urlsplit(self.path)
        self.place, self.query = address.path, parse_qs(address.query)
        request = f"{self.command} {unquote(self.place)}"
        self.hub.asked.append(request)
        self.fault = self.hub.fault_of(request)
        try:
            self._answer()
        except ConnectionError:  # a client that was killed, or an answer that is withheld
            self.close_connection = True

    def _answer(self) -> None:
        if self.fault and self.fault.cut and self.command in ("PUT", "POST"):
            self.rfile.read(int(self.headers.get("Content-Length", 0)) // 2)
            raise ConnectionResetError
        self.body = self._read()
        try:
            if self.fault and self.fault.holds:
                self._wait()
            if self.fault and self.fault.status and not self.fault.late:
                raise self._failing(self.fault)
            self._route()
        except _Answer as found:
            answer = self._failing(self.fault) if self.fault and self.fault.late else found
            data = b"" if answer.data is None else json.dumps(answer.data).encode()
            self._send(answer.status, data, {"Content-Type": "application/json", **answer.headers})

    def _failing(self, fault: Fault) -> _Answer:
        headers = {"X-Error-Message": fault.message, **fault.headers}
        return _Answer(fault.status, {"error": fault.message}, **headers)

    def _route(self) -> None:
        for method, pattern, serve in _ROUTES:
            found = re.fullmatch(pattern, self.place)
            if found and self.command in method.split("|"):
                serve(
                    self, **{key: unquote(value or "") for key, value in found.groupdict().items()}
                )
                return
        raise _refusal(404, "", f"no such page: {self.command} {self.place}")

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.fault is not None and self.fault.cut
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def _user(self) -> str | None:
        """Who asks; None for nobody in particular."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        self.hub.tokens.add(token)
        if token not in self.hub.accounts:
            raise _refusal(401, "", _INVALID)
        return self.hub.accounts[token]

    def _writer(self, name: str) -> None:
        user = self._user()
        if user is None:
            raise _refusal(401, "", "Invalid username or password.")
        if user != name.partition("/")[0]:
            raise _refusal(403, "", f"You don't have the rights to write to {name}")

    def _repository(self, kind: str, name: str) -> Repository:
        user, found = self._user(), self.hub.repositories.get(f"{kind}/{name}")
        if found is None or (found.private and user != name.partition("/")[0]):
            # Who is not logged in is not told what is private from what is not there.
            raise _refusal(404 if user else 401, "RepoNotFound", "Repository not found")
        return found

    def _commit_of(self, found: Repository, revision: str) -> str:
        commit = found.resolve(revision)
        if commit is None:
            raise _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    # What follows answers one address each, in the order in which a publication uses them.

    def whoami(self) -> None:
        user = self._user()
        if user is None:
            raise _refusal(401, "", "Invalid username or password.")
        raise _Answer(200, {"type": "user", "name": user, "orgs": []})

    def create(self) -> None:
        wanted = json.loads(self.body)
        kind = wanted.get("type") or "model"
        name = f"{wanted.get('organization') or self._user()}/{wanted['name']}"
        self._writer(name)
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if f"{kind}s/{name}" in self.hub.repositories:
            raise _Answer(409, {"error": "You already created this repo", "url": url})
        private = wanted.get("private") or wanted.get("visibility") == "private"
        self.hub.make(name, kind, bool(private))
        raise _Answer(200, {"url": url, "name": name})

    def info(self, kind: str, name: str, revision: str = "") -> None:
        found = self._repository(kind, name)
        commit = self._commit_of(found, revision or "main")
        siblings = [{"rfilename": path} for path in sorted(found.trees[commit])]
        about = {"id": name, "sha": commit, "private": found.private, "siblings": siblings}
        raise _Answer(200, about | {"tags": [], "gated": False, "disabled": False, "downloads": 0})

    def refs(self, kind: str, name: str) -> None:
        found = self._repository(kind, name)
        heads = [
            {"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": commit}
            for branch, commit in found.heads.items()
            if not branch.startswith("refs/")
        ]
        raise _Answer(200, {"branches": heads, "converts": [], "tags": []})

    def branch(self, kind: str, name: str, revision: str) -> None:
        self._writer(name)
        found = self._repository(kind, name)
        if revision in found.heads:
            raise _Answer(409, {"error": "Reference already exists"})
        found.heads[revision] = found.heads["main"]
        raise _Answer(200, {})

    def tree(self, kind: str, name: str, revision: str, path: str = "") -> None:
        found = self._repository(kind, name)
        files = found.trees[self._commit_of(found, revision)]
        inside = f"{path.strip('/')}/" if path.strip("/") else ""
        if inside and not any(file.startswith(inside) for file in files):
            raise _refusal(404, "EntryNotFound", f"{path} does not exist")
        deep = self.query.get("recursive", ["false"])[0].lower() == "true"
        entries = _entries(files, inside, deep)
        first = int(self.query.get("cursor", ["0"])[0])
        headers = {}
        if first + self.hub.page < len(entries):
            flag = "true" if deep else "false"
            after = f"?recursive={flag}&cursor={first + self.hub.page}"
            headers["Link"] = f'<{self.hub.url}{self.place}{after}>; rel="next"'
        raise _Answer(200, entries[first : first + self.hub.page], **headers)

    def paths(self, kind: str, name: str, revision: str) -> None:
        found = self._repository(kind, name)
        files = found.trees[self._commit_of(found, revision)]
        if self.headers.get("Content-Type", "").startswith("application/json"):
            wanted = json.loads(self.body)["paths"]
        else:
            wanted = parse_qs(self.body.decode())["paths"]
        entries = {entry["path"]: entry for entry in _entries(files, "", True)}
        raise _Answer(200, [entries[path] for path in wanted if path in entries])

    def preupload(self, kind: str, name: str, revision: str) -> None:
        self._writer_or_proposer(kind, name, revision)
        found = self._repository(kind, name)
        files = found.trees[self._commit_of(found, revision)]
        answers = []
        for file in json.loads(self.body)["files"]:
            path, is_large = file["path"], bool(LARGE.search(file["path"]))
            old = files.get(path)
            oid = None if old is None else old.sha256 if old.is_large else old.oid
            mode = "lfs" if is_large else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        raise _Answer(200, {"files": answers})

    def _writer_or_proposer(self, kind: str, name: str, revision: str) -> None:
        """Anybody with an account may open a pull request on what they can read, and add to it."""
        proposes = self.query.get("create_pr") or revision.startswith("refs/pr/")
        if proposes and self._user() is not None:
            self._repository(kind, name)
        else:
            self._writer(name)

    def batch(self, name: str, kind: str = "models") -> None:
        if self._user() is None:
            raise _refusal(401, "", "Invalid username or password.")
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            answer: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in self.hub.objects:
                answer["actions"] = {"upload": self._upload(oid, size)}
            objects.append(answer)
        raise _Answer(200, {"transfer": "basic", "objects": objects})

    def _upload(self, oid: str, size: int) -> dict[str, Any]:
        """Where a large object goes: to one address, or in parts to several."""
        signed = f"{self.hub.url}/storage/{oid}?X-Signature=secret-signature"
        if size <= self.hub.chunk:
            return {"href": signed, "header": {}}
        numbers = range(1, -(-size // self.hub.chunk) + 1)
        parts = {str(n): f"{self.hub.url}/storage/{oid}/{n}?X-Signature=secret" for n in numbers}
        complete = f"{self.hub.url}/storage/{oid}/complete"
        return {"href": complete, "header": {"chunk_size": str(self.hub.chunk), **parts}}

    def put(self, oid: str) -> None:
        self._hold()
        raise _Answer(200 if self.hub.store(oid, self.body) else 400, {})

    def put_part(self, oid: str, number: str) -> None:
        self._hold()
        self.hub.parts.setdefault(oid, {})[int(number)] = self.body
        raise _Answer(200, {}, ETag=f'"{number}"')

    def complete(self, oid: str) -> None:
        parts = self.hub.parts.pop(oid)
        whole = b"".join(parts[number] for number in sorted(parts))
        raise _Answer(200 if self.hub.store(oid, whole) else 400, {})

    def _hold(self) -> None:
        after = self.hub.holds_after
        if after is not None and sum(self.hub.received.values()) >= after:
            self._wait()

    def _wait(self) -> None:
        self.hub.held.set()
        self.hub.released.wait(60)
        raise ConnectionResetError

    def commit(self, kind: str, name: str, revision: str) -> None:
        found = self._repository(kind, name)
        proposes = bool(self.query.get("create_pr"))
        self._writer_or_proposer(kind, name, revision)
        with self.hub.lock:
            base = self._commit_of(found, revision)
            lines = [json.loads(line) for line in self.body.splitlines()]
            header = next(line["value"] for line in lines if line["key"] == "header")
            if header.get("parentCommit") not in (None, base):
                raise _refusal(412, "", "A commit has happened since. Please refresh")
            tree = dict(found.trees[base])
            for line in lines:
                self._apply(tree, line["key"], line["value"])
            answer = {}
            if proposes:
                found.pull_requests += 1
                revision = f"refs/pr/{found.pull_requests}"
                found.heads[revision] = base
                address = f"{self.hub.url}/{kind}/{name}/discussions/{found.pull_requests}"
                answer["pullRequestUrl"] = address
            oid = found.commit(revision, tree, header["summary"])
        url = f"{self.hub.url}/{kind}/{name}/commit/{oid}".replace("/models/", "/")
        raise _Answer(200, {"commitUrl": url, "commitOid": oid, **answer})

    def _apply(self, tree: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
        if key == "file":
            tree[value["path"]] = Blob(base64.b64decode(value["content"]), False)
        elif key == "lfsFile":
            if value["oid"] not in self.hub.objects:
                raise _refusal(400, "", f"{value['path']} was not uploaded")
            data = self.hub.objects[value["oid"]]
            spoiled = value["path"] in self.hub.spoiled
            tree[value["path"]] = Blob(data[:-1] if spoiled else data, True)
        elif key == "deletedFile" and tree.pop(value["path"], None) is None:
            raise _refusal(404, "EntryNotFound", "A file with this name doesn't exist")

    def validate(self) -> None:
        raise _Answer(200, {"errors": [], "warnings": []})

    def resolve(self, name: str, revision: str, path: str, kind: str = "models") -> None:
        found = self._repository(kind, name)
        commit = self._commit_of(found, revision)
        blob = found.trees[commit].get(path)
        if blob is None:
            raise _refusal(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if blob.is_large:
            self.hub.objects.setdefault(blob.sha256, blob.data)
            headers |= {
                "Location": f"{self.hub.cdn}/cdn/{blob.sha256}",
                "X-Linked-Etag": f'"{blob.sha256}"',
                "X-Linked-Size": str(len(blob.data)),
            }
            self._send(302, b"", headers)
        else:
            self._send_range(blob.data, headers | {"ETag": f'"{blob.oid}"'})

    def cdn(self, oid: str) -> None:
        if "Authorization" in self.headers:
            raise _refusal(400, "", "a token is not for others")
        self._send_range(self.hub.objects[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    def _send_range(self, data: bytes, headers: dict[str, str]) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._send(200, data, headers)
            return
        first, last = int(wanted[1]), int(wanted[2] or len(data) - 1)
        if first >= len(data):
            raise _Answer(416, None, **{"Content-Range": f"bytes */{len(data)}"})
        part = data[first : last + 1]
        span = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        self._send(206, part, headers | {"Content-Range": span})


def _entries(files: Any, inside: str, deep: bool) -> list[dict[str, Any]]:
    """The files in a folder as the Hub lists them, and the folders, each once."""
    found: dict[str, dict[str, Any]] = {}
    for path, blob in sorted(files.items()):
        if not path.startswith(inside):
            continue
        parts = path[len(inside) :].split("/")
        for depth in range(1, len(parts)):
            folder = inside + "/".join(parts[:depth])
            if depth == 1 or deep:
                oid = quote(folder, safe="").ljust(40, "0")[:40]
                found[folder] = {"type": "directory", "path": folder, "oid": oid, "size": 0}
        if len(parts) > 1 and not deep:
            continue
        entry = {"type": "file", "path": path, "oid": blob.oid, "size": len(blob.data)}
        if blob.is_large:
            entry["lfs"] = {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 130}
        found[path] = entry
    return list(found.values())


_REVISION = r"(?P<revision>refs/pr/\d+|[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", _Handler.validate),
    ("GET", rf"/api/{_NAME}", _Handler.info),
    ("GET", rf"/api/{_NAME}/revision/{_REVISION}", _Handler.info),
    ("GET", rf"/api/{_NAME}/refs", _Handler.refs),
    ("POST", rf"/api/{_NAME}/branch/{_REVISION}", _Handler.branch),
    ("GET", rf"/api/{_NAME}/tree/{_REVISION}(?P<path>/.*)?", _Handler.tree),
    ("POST", rf"/api/{_NAME}/paths-info/{_REVISION}", _Handler.paths),
    ("POST", rf"/api/{_NAME}/preupload/{_REVISION}", _Handler.preupload),
    ("POST", rf"/api/{_NAME}/commit/{_REVISION}", _Handler.commit),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("POST", r"/(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", _Handler.put),
    ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})/(?P<number>\d+)", _Handler.put_part),
    ("POST", r"/storage/(?P<oid>[0-9a-f]{64})/complete", _Handler.complete),
    ("GET|HEAD", rf"/{_NAME}/resolve/{_REVISION}/(?P<path>.*)", _Handler.resolve),
    (
        "GET|HEAD",
        rf"/(?P<name>[^/]+/[^/]+)/resolve/{_REVISION}/(?P<path>.*)",
        _Handler.resolve,
    ),
    ("GET|HEAD", r"/cdn/(?P<oid>[0-9a-f]{64})", _Handler.cdn),
]


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    """The hub on a free port of this machine, until the block ends."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.released.set()
            server.shutdown()
            thread.join()
