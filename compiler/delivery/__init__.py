"""Sending shards to a store while others are made.

- `recipient`: what is asked of a place that takes a dataset.
- `remote_folder`, `hub_folder`: such places: a folder at a URL, and a repository on the Hub.
- `delivery`: what a run tells its delivery, which may deliver nowhere; `open` chooses it.
- `sending`: sends what is finished, and takes it from the disk.
"""
