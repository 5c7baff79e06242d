"""Reads compiled datasets wherever they lie: in a folder, or at a URL that fsspec opens.

- `revision`: which commit of a dataset on the Hub is read.
- `fetch`, `cache`: getting remote files, and keeping them in a bounded folder.
- `parts`: what of a remote shard is fetched where little of it is needed.
- `local`, `remote`: the files of a dataset, here and there.
- `store`: what both have in common, and which of them a place is.
"""
