"""Which rows are wanted: filters, and what they are told by.

In the order in which data meet the modules:

- `filters`: what a recipe wants of its rows.
- `picture_hash`, `hashes`: pictures as hashes, made in jobs and kept between runs.
- `alike`, `duplicates`: which pictures are those of earlier rows.
- `marks`: what the plan knows of rows before they are read.
"""
