"""``python -m onepic.compiler`` is ``onepic-compile``."""

from .cli import main

main()
