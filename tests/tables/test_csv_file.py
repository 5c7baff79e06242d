"""CSV and TSV in the dialects in which people write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.canvas.findings import add_up
from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.tables.csv_file import csv_columns, read_csv
from onepic.tables.dialect import AS_FOUND, TextFormat

Cells = list[tuple[str | None, ...]]
COLUMNS = Columns(("image",), ("caption",))


def cells_of(place: Path | str, said: TextFormat = AS_FOUND, columns: Columns = COLUMNS) -> Cells:
    batches = list(read_csv(str(place), columns, None, said))
    return [row for b in batches for row in zip(*(b.cells[n] for n in columns.names), strict=True)]


def found_in(place: Path) -> dict[tuple[str, str], tuple[int, tuple[str, ...]]]:
    counts = add_up(batch.counts for batch in read_csv(str(place), COLUMNS, None))
    return {(f.kind, f.about): (c.number, c.examples) for f, c in counts.items()}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(lines)` writes a table of lines with a header of image and caption."""

    def make(*lines: str, name: str = "t.tsv", encoding: str = "utf-8", end: str = "\n") -> Path:
        text = "".join(line + end for line in lines)
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return make


def captions(*texts: str) -> list[str]:
    """The lines of a TSV with these captions, unquoted."""
    return ["image\tcaption", *(f"{n}.png\t{text}" for n, text in enumerate(texts))]


@pytest.mark.parametrize(
    "texts",
    [
        ("a", '"big sale" sign', "b", 'a 5" screen', 'the end"'),
        ("a", '"welcome home', "b", "c", 'goodbye"', "d"),
        ("a", "b", '"never closed', "c"),
        ('"one', 'two"'),
    ],
)
def test_a_quote_at_the_start_of_a_caption_swallows_no_row(write, texts):
    path = write(*captions(*texts))
    assert cells_of(path) == [(f"{n}.png", text) for n, text in enumerate(texts)]
    first = next(n for n, text in enumerate(texts) if text.startswith('"'))
    (number, examples) = found_in(path)["table-reading", "t.tsv: quotes are part of the text"]
    assert (number, examples[0]) == (1, f"line {first + 2}")


def test_it_swallows_none_where_the_image_stands_behind_it(write):
    lines = [f"{text}\t{n}.png" for n, text in enumerate(['"welcome', "a, b", 'bye"'])]
    rows = [("0.png", '"welcome'), ("1.png", "a, b"), ("2.png", 'bye"')]
    assert cells_of(write("caption\timage", *lines)) == rows


def test_line_breaks_in_quotes_are_text_and_counted(write):
    path = write("image,caption", '0.png,"a, b', 'c, d"', '1.png,"one\r\n\ntwo"', name="t.csv")
    assert cells_of(path) == [("0.png", "a, b\nc, d"), ("1.png", "one\r\n\ntwo")]
    assert found_in(path) == {("table-lines", "t.csv"): (2, ("line 2", "line 4"))}


def test_a_table_that_is_read_as_everybody_would_has_nothing_to_say(write):
    path = write("image,caption", '0.png,"a, ""b"""', '"1.png",c', name="t.csv")
    assert cells_of(path) == [("0.png", 'a, "b"'), ("1.png", "c")]
    assert found_in(path) == {}


def test_backslashes_before_quotes_are_understood(write):
    path = write("image,caption", r'0.png,"a \"big\", red one"', r'1.png,"a \\ b"', name="t.csv")
    assert cells_of(path) == [("0.png", 'a "big", red one'), ("1.png", r"a \ b")]
    assert ("table-reading", r"t.csv: \" is a quote in a cell") in found_in(path)


def test_backslashes_before_other_letters_are_not_guessed(write):
    path = write("image,caption", r'0.png,"a \"big\",\nred one"', name="t.csv")
    with pytest.raises(SourceError, match=r"line 2: text follows a quote .*`backslash` where"):
        cells_of(path)
    assert cells_of(path, TextFormat(quoting="backslash")) == [("0.png", 'a "big",nred one')]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        # A line of prose is no row, and a quoted file has no stray quotes.
        (["0.png,a", '1.png,"the "big" one"', '2.png,"nice"'], "line 3: text follows a quote"),
        (["0.png,a", '1.png,"open', "2.png,b, c"], "line 3: a quote opens a cell and is never"),
        (["0.png,a", "1.png,b, c"], "line 3: 3 cells divided by ',', and the header has 2; put q"),
        (["0.png,a", "1.png"], "line 3: 1 cells divided by ',', and the header has 2"),
        (['0.png,"a', 'b"', "", "1.png"], "line 5: 1 cells"),
        (
            ['0.png,"x', "1.png,y", 'z"', '2.png,"a, b"'],
            "line 2: a quote encloses the text up to line 4, of which other lines look like rows",
        ),
        # Names without suffixes cannot be told from prose.
        (['00,"one', 'two, three"'], "line 2: a quote encloses .* up to line 3"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_with_what_to_do(write, lines, message):
    with pytest.raises(SourceError, match=rf"t\.csv, {message}") as caught:
        cells_of(write("image,caption", *lines, name="t.csv"))
    assert "delimiter" in str(caught.value) or "`quoting: none`" in str(caught.value)


def test_what_is_said_about_quotes_is_done(write):
    path = write("image,caption", '00,"one', 'two, three"', name="t.csv")
    assert cells_of(path, TextFormat(quoting="doubled")) == [("00", "one\ntwo, three")]
    plain = [("00", '"one'), ("two", ' three"')]
    assert cells_of(path, TextFormat(quoting="none")) == plain


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [("image;caption", ";"), ("image\tcaption", "\t"), ("image|caption", "|")],
)
def test_another_delimiter_is_seen_in_the_header(write, header, delimiter):
    path = write(header, f"0.png{delimiter}a, b", name="t.csv", end="\r\n", encoding="utf-8-sig")
    assert cells_of(path) == [("0.png", "a, b")]
    assert found_in(path) == {
        ("table-reading", f"t.csv: {delimiter!r} divides the cells"): (1, ("t.csv",))
    }


def test_a_delimiter_can_be_said(write):
    path = write("image,x;caption", "0.png;a", name="t.csv")
    with pytest.raises(SourceError, match="no column 'caption'"):
        cells_of(path)
    columns = Columns(("image,x",), ("caption",))
    assert cells_of(path, TextFormat(delimiter=";"), columns) == [("0.png", "a")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_mark_at_the_beginning_says_the_encoding(write, encoding):
    path = write("image,caption", "0.png,café", '1.png,"ü\nö"', name="t.csv", encoding=encoding)
    assert cells_of(path) == [("0.png", "café"), ("1.png", "ü\nö")]


def test_bytes_of_another_encoding_are_named_and_can_be_read(write):
    path = write("image,caption", "0.png,a", "1.png,café", name="t.csv", encoding="cp1252")
    message = r"t\.csv, line 3: the byte e9 is not UTF-8; .*`encoding`.* reads '1.png,café'"
    with pytest.raises(SourceError, match=message):
        cells_of(path)
    assert cells_of(path, TextFormat(encoding="cp1252"))[1] == ("1.png", "café")


def test_utf_16_without_its_mark_is_named(write):
    path = write("image,caption", "0.png,a", name="t.csv", encoding="utf-16-le")
    with pytest.raises(SourceError, match=r"line 1: holds zeros .*`encoding: utf-16-le`"):
        cells_of(path)
    assert cells_of(path, TextFormat(encoding="utf-16-le")) == [("0.png", "a")]


def test_utf_16_that_is_cut_short_is_named(write):
    path = write("image,caption", "0.png,a", name="t.csv", encoding="utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match=r"t\.csv: damaged or cut short as UTF-16"):
        cells_of(path)


def test_blanks_around_names_do_not_count(write):
    path = write(" image , caption", '0.png, "a, b"', "1.png, c", name="t.csv")
    assert csv_columns(str(path)) == ["image", "caption"]
    assert cells_of(path) == [("0.png", "a, b"), ("1.png", "c")]


def test_a_blank_before_a_quote_is_no_text_either(write):
    path = write("image,caption", '0.png, "a, b"', "1.png,c", name="t.csv")
    assert cells_of(path) == [("0.png", "a, b"), ("1.png", "c")]


def test_a_quote_that_comes_late_in_a_long_file_is_seen(write):
    texts = [f"caption {n}" for n in range(5_000)]
    texts[4_000], texts[4_002] = '"welcome', 'bye"'
    rows = cells_of(write(*captions(*texts)))
    assert len(rows) == 5_000
    assert rows[4_001] == ("4001.png", "caption 4001")


def test_a_cell_may_hold_a_whole_picture(write):
    long = "iVBORw0KGgo" + "A" * 400_000
    assert cells_of(write("image,caption", f"{long},a", name="t.csv")) == [(long, "a")]


def test_a_remote_table_is_read_alike(remote):
    text = b'image\tcaption\n0.png\t"a\n1.png\tb\n2.png\tc"\n'
    fsspec.filesystem("memory").pipe(f"{remote}/t.tsv", text)
    assert [caption for _, caption in cells_of(f"{remote}/t.tsv")] == ['"a', "b", 'c"']


# No blanks at a cell's ends: after a delimiter they do not count.
TEXTS = st.text(st.sampled_from('ab,;|\t"\n\r\\é '), max_size=12).map(str.strip)
STYLES = {
    "doubled": {"doublequote": True},
    "all": {"doublequote": True, "quoting": csv.QUOTE_ALL},
    "backslash": {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL},
}


def written(rows: list[tuple[str, str]], delimiter: str, style: str) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, **STYLES[style])
    writer.writerow(["image", "caption"])
    writer.writerows(rows)
    return text.getvalue()


@given(
    st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from(",;\t|"), st.sampled_from([*STYLES])
)
def test_what_a_csv_writer_wrote_is_read_back_or_refused(tmp_path_factory, texts, delimiter, style):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    rows = [(f"{n}.png", text) for n, text in enumerate(texts)]
    path.write_bytes(written(rows, delimiter, style).encode())
    if style != "backslash":
        assert cells_of(path) == rows
    said = TextFormat(quoting="backslash" if style == "backslash" else "doubled")
    assert cells_of(path, said) == rows


@given(st.lists(st.text(st.sampled_from('ab,;|"\\é '), max_size=12), min_size=1, max_size=6))
def test_what_was_written_without_quoting_is_read_back_when_it_is_said(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "t.tsv"
    rows = [(f"{n}.png", text) for n, text in enumerate(texts)]
    path.write_text("image\tcaption\n" + "".join(f"{a}\t{b}\n" for a, b in rows))
    assert cells_of(path, TextFormat(quoting="none")) == rows
