"""The masks of a task: drawn ones, and those read from files.

In the order in which data meet the modules:

- `drawn`, `options`: what a recipe says of masks: what is drawn, or how a column is read.
- `rows`: the masks of a row, each read or drawn once.
- `files`: the file of a mask becomes a mask, or is refused.
- `values`, `choice`, `reading`: what stands in such a file, and which of it is marked.
- `doubts`: columns whose files do not all speak one language.
"""
