"""Trains an adapter from compiled shards."""
