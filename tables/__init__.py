"""Rows from tables: CSV, JSON Lines and Parquet, here or at a URL."""
