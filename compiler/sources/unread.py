"""Members of tars that no column of a recipe reads, counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...canvas.findings import Counts, Finding, add_up, count_findings
from .members import Choice
from .passed import count_files, count_folders
from .tar_index import TarIndex, TarRow


def count_unread(index: TarIndex, choices: Mapping[str, Sequence[Choice]]) -> Counts:
    """Members that none of the columns' choices names, and images that another one goes before."""
    read = {choice.extension for several in choices.values() for choice in several}
    unread = (f"{row.key}.{ext}" for row in index.rows for ext in row.members if ext not in read)
    counts = [count_folders(index.left_out), count_files([*index.others, *unread])]
    for name, several in choices.items():
        if all(choice.json_key is None for choice in several):  # a text may be said twice
            extensions = [choice.extension for choice in several]
            counts.append(_count_second(name, extensions, index.rows))
    return add_up(counts)


def _count_second(column: str, extensions: Sequence[str], rows: Iterable[TarRow]) -> Counts:
    wanted = frozenset(extensions)
    found = []
    for row in rows:
        present = row.members.keys() & wanted
        if len(present) > 1:
            first, *others = sorted(present, key=extensions.index)
            about = [f"{column}: KEY.{first} counts, KEY.{other} does not" for other in others]
            found.append((row.key, [Finding("several-images", text) for text in about]))
    return count_findings(found)
