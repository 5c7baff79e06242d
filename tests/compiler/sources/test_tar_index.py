"""Tars as tools and people write them: what is found in them, or why they are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from onepic.common.errors import SourceError
from onepic.compiler.sources.tar_index import index_tar

#: A member's content, or what kind of link it is and where it leads.
Content = bytes | tuple[bytes, str]


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """`pack({"a.png": b"x", "b.png": (tarfile.LNKTYPE, "a.png")})` writes a tar with links."""

    def make(members: dict[str, Content], name: str = "a.tar") -> Path:
        with tarfile.open(tmp_path / name, "w") as tar:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                if isinstance(content, bytes):
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                else:
                    info.type, info.linkname = content
                    tar.addfile(info)
        return tmp_path / name

    return make


def contents(tar: Path) -> dict[str, dict[str, bytes]]:
    """What each row's members hold, by key and extension."""
    data = tar.read_bytes()
    return {
        row.key: {ext: data[at : at + size] for ext, (at, size) in row.members.items()}
        for row in index_tar(str(tar)).rows
    }


HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    "link",
    [
        (HARD, "sub/a.png"),
        (HARD, "./sub/a.png"),
        (SYMBOLIC, "a.png"),
        (SYMBOLIC, "../sub/a.png"),
        (SYMBOLIC, "between.png"),
    ],
)
def test_a_link_stands_for_what_it_leads_to(link, pack):
    members = {"sub/a.png": b"data", "sub/between.png": (HARD, "sub/a.png"), "sub/b.png": link}
    assert contents(pack(members))["sub/b"] == {"png": b"data"}


def test_a_link_may_lead_to_a_later_member(pack):
    found = contents(pack({"b.png": (SYMBOLIC, "a.png"), "a.png": b"data"}))
    assert found == {"b": {"png": b"data"}, "a": {"png": b"data"}}


@pytest.mark.parametrize("target", ["gone.png", "../a.png", "/data/a.png", "b.png"])
def test_a_link_that_leads_nowhere_is_named(target, pack):
    index = index_tar(str(pack({"a.png": b"x", "a.txt": b"x", "b.png": (SYMBOLIC, target)})))
    good, bad = index.rows
    assert good.problem is None
    assert f"b.png is a link to {target}, which the tar does not hold" in bad.problem


def test_a_link_to_a_folder_is_no_row(pack):
    members = {"v1.2": (tarfile.DIRTYPE, ""), "v1.3": (SYMBOLIC, "v1.2"), "a.png": b"x"}
    assert list(contents(pack(members))) == ["a"]


def test_everything_behind_an_end_mark_is_read(pack, tmp_path):
    parts = [pack({f"{name}.png": name.encode()}, f"{name}.tar") for name in "abc"]
    joined = tmp_path / "joined.tar"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert contents(joined) == {name: {"png": name.encode()} for name in "abc"}


def test_keys_that_joined_tars_repeat_get_the_number_of_the_part(pack):
    tar = pack({"1.png": b"a", "1.txt": b"one"})
    one, (other, _) = tar.read_bytes(), (pack({"1.png": b"b"}, "b.tar").read_bytes(), None)
    tar.write_bytes(one + other)
    assert contents(tar) == {"1": {"png": b"a", "txt": b"one"}, "1 (part 2)": {"png": b"b"}}


def test_what_is_no_tar_behind_an_end_mark_is_named_with_its_place(pack):
    tar = pack({"1.png": b"a"})
    end = tar.stat().st_size
    tar.write_bytes(tar.read_bytes() + b"\0" * 512 + b"more" * 200)
    with pytest.raises(SourceError, match=f"damaged at byte {end + 512}"):
        index_tar(str(tar))


@pytest.mark.parametrize(
    ("compress", "program"),
    [
        (gzip.compress, "gzip"),
        (lzma.compress, "xz"),
        (bz2.compress, "bzip2"),
        (lambda data: b"\x28\xb5\x2f\xfd" + data, "zstd"),
    ],
)
def test_a_compressed_tar_is_named_with_the_way_to_unpack_it(compress, program, pack):
    tar = pack({"1.png": b"a"})
    tar.write_bytes(compress(tar.read_bytes()))
    with pytest.raises(SourceError, match=f"compressed with {program}.*{program} -dc < a.tar"):
        index_tar(str(tar))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"<!DOCTYPE html><html>404</html>", "a web page"), (b"PK\x03\x04" + b"x" * 99, "a zip")],
)
def test_what_only_has_the_name_of_a_tar_is_named(content, reason, tmp_path):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(SourceError, match=reason):
        index_tar(str(tmp_path / "a.tar"))


def test_what_systems_and_tools_add_is_no_row(pack):
    members = {"1.png": b"a", "._1.png": b"x", "__MACOSX/1.png": b"x", "./@eaDir/1.png": b"x"}
    others = {"LICENSE": b"x", "1-masklabel.png": b"x"}
    index = index_tar(str(pack({**members, **others, "__meta__.txt": b"x"})))
    assert [row.key for row in index.rows] == ["1"]
    assert (index.others, list(index.left_out)) == ([*others], ["__MACOSX", "@eaDir"])
