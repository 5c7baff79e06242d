"""``onepic-sample``, also as ``python -m onepic.sampler``."""

from ..common.memory import keep_freed_memory


def main() -> None:
    """Run the command."""
    # Before numpy and torch start threads: their memory pools would be out of its reach.
    keep_freed_memory()
    from .cli import app

    app()


if __name__ == "__main__":
    main()
