"""Tars that every reader reads, and whose bytes follow from their members alone."""

from __future__ import annotations

import hashlib
import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from onepic.dataset.tar import Member, TarWriter

# At most 80 bytes in UTF-8; a tar of this form takes 100.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
MEMBERS = st.dictionaries(NAMES, st.binary(max_size=1500), max_size=5)


def write(members: dict[str, bytes]) -> tuple[bytes, list[Member], str]:
    """The tar, where its members lie, and its SHA-256."""
    file = io.BytesIO()
    writer = TarWriter(file)
    places = [writer.add(name, data) for name, data in members.items()]
    digest = writer.finish()
    assert writer.size == len(file.getvalue())
    return file.getvalue(), places, digest


@given(MEMBERS)
def test_what_is_written_is_read_back_in_order(members):
    data, _, _ = write(members)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        found = [(info.name, tar.extractfile(info).read()) for info in tar]
    assert found == list(members.items())


@given(MEMBERS)
def test_a_members_bytes_lie_where_the_writer_says(members):
    data, places, _ = write(members)
    assert [data[place.offset :][: place.size] for place in places] == list(members.values())
    assert all(place.offset % tarfile.BLOCKSIZE == 0 for place in places)


@given(MEMBERS)
def test_equal_members_give_equal_tars_whose_hash_is_told(members):
    first, second = write(members), write(members)
    assert first == second
    assert first[2] == hashlib.sha256(first[0]).hexdigest()


@given(MEMBERS)
def test_the_size_is_a_multiple_of_a_tar_record(members):
    assert len(write(members)[0]) % tarfile.RECORDSIZE == 0


def test_neither_times_nor_owners_are_stored():
    data, _, _ = write({"a.txt": b"a"})
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        info = tar.getmember("a.txt")
    assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
    assert info.isreg()
