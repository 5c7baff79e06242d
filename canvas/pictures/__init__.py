"""Image files become pictures in RGB, unless they are damaged or of another kind.

In the order in which data meet the modules:

- `formats`, `heads`: which files can be opened, and what a file is that cannot.
- `images`: a file becomes an upright picture; what follows is its detail.
- `jpeg`, `containers`, `whole`: whether the data of a picture are whole.
- `value_range`, `rgb`: pictures of every mode as 8 bits for each of three colours.
"""
