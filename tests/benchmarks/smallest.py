"""The option that every benchmark has: a size at which it only shows that it runs."""

import argparse

SMALL_MODEL = "keyboard_cifg"
"""The one of the 24 models that is traced and priced soonest."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with `--smallest`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--smallest", action="store_true", help="a few seconds of work, whose times say nothing")
    return made
