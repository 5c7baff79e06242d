"""``onepic-inspect``, also as ``python -m onepic.compiler.inspection``."""

from .cli import app


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
