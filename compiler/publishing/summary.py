"""Summary of a publication, done or dry, in lines for a terminal."""

from __future__ import annotations

from .publish import Publication


def list_changes(made: Publication) -> list[str]:
    """A line for each file that would go up or go, and the sum of them."""
    difference, destination = made.difference, made.destination
    kinds = (("new", difference.new), ("changed", difference.changed))
    return [
        *(
            f"{kind:8}{file.size / 1e6:10.3f} MB  {path}"
            for kind, files in kinds
            for path, file in sorted(files.items())
        ),
        *(f"{'stale':8}{'':>10}     {path}" for path in difference.stale),
        *_remarks(made),
        f"{destination.address}: {len(difference.sent)} files to send, "
        f"{difference.size / 1e6:.1f} MB; {len(difference.same)} are there already; "
        f"{len(difference.stale)} to delete",
        "nothing was changed; leave --dry-run out to publish",
    ]


def summarise(made: Publication) -> list[str]:
    """Sum up what was done, where, and what comes next."""
    difference, destination = made.difference, made.destination
    if made.commit is None:
        lines = [f"nothing to do: {destination.address} holds the very same dataset"]
    else:
        lines = [
            f"published: {destination.address} at commit {made.commit}",
            f"sent {len(difference.sent)} files, {difference.size / 1e6:.1f} MB; "
            f"{len(difference.same)} were there already; paths, sizes and checksums are right",
        ]
    if difference.stale:
        lines.append(
            f"deleted {len(difference.stale)} files of shards that the dataset no longer has"
        )
    name = destination.repository.rpartition("/")[2]
    if made.pull_request is not None:
        following = f"merge {made.pull_request}"
    else:
        following = f"onepic-train {destination.address} --output runs/{name}"
    return [*lines, *_remarks(made), f"next: {following}"]


def _remarks(made: Publication) -> list[str]:
    lines = []
    if made.difference.keeps_card:
        lines.append("README.md was edited on the Hub and is kept as it is there")
    if made.left_out:
        rest = f" and {len(made.left_out) - 3} more" if len(made.left_out) > 3 else ""
        lines.append(f"not of the dataset, and not sent: {', '.join(made.left_out[:3])}{rest}")
    return lines
