"""Looks at a compiled dataset: what is in it, what is wrong with it, and how it looks.

In the order in which data meet the modules:

- `selection`: some samples, drawn by a seed; `dataset.catalogue` knows all of them.
- `statistics`, `expectation`: latents and masks in figures, and what the model expects of them.
- `sight`, `prompts`: what can be trained on and may yet be wrong.
- `facts`: all of that together.
- `summary`: the facts on a terminal, in a log, or as JSON.
- `single`: one sample, looked at closely.
- `picture`: canvases and masks as pictures.
- `charts`, `page`: one page for a browser.
- `cli`: the command ``onepic-inspect``.
"""
