"""Fills the target panel of a new canvas."""
