"""Rows from tables: CSV, JSON Lines and Parquet, here or at a URL.

In the order in which data meet the modules:

- `source`: what every source of rows offers; `table`: a table as such a source.
- `places`: where data lie, and how a change to them is noticed.
- `text_file`, `lines`: the text of a table, in batches of cells.
- `quoting`, `dialect`, `records`, `csv_file`: what a CSV says, by the evidence of the whole file.
- `parquet`: rows of a Parquet file, by row group.
- `cells`, `written_place`, `embedded`: cells as texts, as places of images, or as their bytes.
- `mapped`: rows that lie on disk, so that there may be many.
"""
