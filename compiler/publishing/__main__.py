"""``onepic-publish``, also as ``python -m onepic.compiler.publishing``."""


def main() -> None:
    """Run the command."""
    from .cli import app

    app()


if __name__ == "__main__":
    main()
