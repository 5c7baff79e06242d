"""Sending shards to a store while others are made."""
