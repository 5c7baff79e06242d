"""Which rows are wanted: filters, and what they are told by."""
