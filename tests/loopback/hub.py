"""A Hub on this machine: repositories with commits, large objects, accounts, and failures on order.

`hub_server` speaks its HTTP interface, so that tests drive the real client against it.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Files of these kinds are large objects, as the Hub's .gitattributes for datasets says.
LARGE = re.compile(r"\.(tar|parquet|safetensors|png|webp)$")


#: The login of the account `someone`, which nothing may ever print or write.
TOKEN = "hf_onlyForTheTestsOfThisProject"


@dataclass(frozen=True)
class Blob:
    """The content of a file; a large one is known to the Hub by its SHA-256."""

    data: bytes
    is_large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name of what lies in the tree: the file, or the pointer to a large one."""
        data = self.data
        if self.is_large:
            data = f"oid sha256:{self.sha256}\nsize {len(data)}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


Tree = Mapping[str, Blob]


@dataclass
class Repository:
    """Branches, each at a commit, and the files of every commit."""

    name: str
    kind: str
    private: bool = False
    heads: dict[str, str] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    pull_requests: int = 0

    def __post_init__(self) -> None:
        self.commit(
            "main", {".gitattributes": Blob(b"*.tar filter=lfs\n", False)}, "initial commit"
        )

    def commit(self, revision: str, tree: Tree, message: str) -> str:
        """Put a tree on a branch; the commit's name."""
        files = {path: blob.oid for path, blob in sorted(tree.items())}
        text = json.dumps([self.name, self.heads.get(revision), files, message, len(self.trees)])
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.trees[oid], self.heads[revision] = dict(tree), oid
        self.messages.append(message)
        return oid

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, pull request or commit name stands for."""
        return revision if revision in self.trees else self.heads.get(revision)

    def files(self, revision: str = "main") -> Tree:
        return self.trees[self.heads.get(revision, revision)]

    def hold(self, folder: Path) -> str:
        """Put a dataset's folder on the main branch, without what is hidden in it."""
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
        tree = {
            name: Blob(path.read_bytes(), bool(LARGE.search(name)))
            for name, path in paths.items()
            if path.is_file() and not name.startswith(".")
        }
        return self.commit("main", tree, "a dataset")

    def edit(self, path: str, data: bytes | None, revision: str = "main") -> str:
        """Change a file as its owner does in a browser; None deletes it."""
        tree = {name: blob for name, blob in self.files(revision).items() if name != path}
        if data is not None:
            tree[path] = Blob(data, bool(LARGE.search(path)))
        return self.commit(revision, tree, f"edit {path}")


@dataclass
class Fault:
    """What happens to the next `times` requests that match, after `skip`, and to none after them.

    `status` is answered, with `late` after the request was carried out; or with `cut` the
    connection breaks half-way through the body; or with `holds` the request waits as uploads do.
    """

    pattern: re.Pattern[str]
    times: int
    status: int = 0
    cut: bool = False
    late: bool = False
    holds: bool = False
    skip: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "something broke"


@dataclass
class Hub:
    """What the server knows, what it was asked, and how it has to fail.

    `accounts` are the tokens and their users, `asked` the requests as ``METHOD /path``, `received`
    counts the large objects that arrived whole, by their SHA-256. From object number
    `holds_after` on uploads wait, and `held` is set, until `released` is; then they are lost.
    Paths in `spoiled` lose their last byte on the way into a commit. Lists come in pages of `page`,
    and what is larger than `chunk` bytes is uploaded in parts.
    """

    url: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    page: int = 5
    chunk: int = 1 << 30
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    received: Counter[str] = field(default_factory=Counter)
    holds_after: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    spoiled: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def cdn(self) -> str:
        """Where large objects are fetched: to a client another machine, which gets no token."""
        return self.url.replace("127.0.0.1", "localhost")

    def commits(self) -> int:
        """How many commits were asked for."""
        return sum("/commit/" in request for request in self.asked)

    def dataset(self, name: str) -> Repository:
        return self.repositories[f"datasets/{name}"]

    def make(self, name: str, kind: str = "dataset", private: bool = False) -> Repository:
        found = self.repositories[f"{kind}s/{name}"] = Repository(name, kind, private)
        return found

    def fail(self, pattern: str, status: int = 500, times: int = 1, **options: object) -> None:
        """Answer the next requests that match ``METHOD /path`` with an error."""
        self.faults.append(Fault(re.compile(pattern), times, status, **options))

    def cut(self, pattern: str, times: int = 1) -> None:
        """Break the connection in the middle of the next matching upload or download."""
        self.faults.append(Fault(re.compile(pattern), times, cut=True))

    def hold(self, pattern: str, skip: int = 0) -> None:
        """Let a matching request wait, and set `held`, until `released` is; then it is lost."""
        self.faults.append(Fault(re.compile(pattern), 1, holds=True, skip=skip))

    def fault_of(self, request: str) -> Fault | None:
        """The failure that this request is to meet, which is then used up."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.pattern.search(request):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def store(self, sha256: str, data: bytes) -> bool:
        """Keep a large object that has arrived; False where it is not what was announced."""
        if hashlib.sha256(data).hexdigest() != sha256:
            return False
        with self.lock:
            self.objects[sha256] = data
            self.received[sha256] += 1
        return True
