"""Where the list is kept: one item a line."""

from pathlib import Path

# TODO: let the user choose the file
PATH = Path("list.txt")


def load(path=PATH):
    """All items, in the order they were added."""
    if not path.exists():
        return []
    return path.read_text().splitlines()


def save(items, path=PATH):
    """Replaces the list."""
    # TODO: write to a temporary file and rename, so that a crash loses nothing
    path.write_text("".join(f"{item}\n" for item in items))
