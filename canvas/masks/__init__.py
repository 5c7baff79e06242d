"""The masks of a task: drawn ones, and those read from files."""
