"""The folder of one program: filled before it, removed after it."""

from __future__ import annotations

import os
import sys


def write_files(files: dict[str, str]) -> None:
    """Write a program's files into the working directory, and let it import from there."""
    for name, text in files.items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "x", encoding="utf-8", errors="surrogatepass", newline="") as file:
            file.write(text)
    if files:
        sys.path.insert(0, os.getcwd())


def remove_tree(folder: str) -> None:
    """Remove a folder that a program filled: however deep it is, however it is named, whatever it forbids.

    Folders inside are emptied into the top one by renaming, so that no path grows and nothing recurses.
    """
    # A name that a program cannot have taken.
    unused, moved = os.urandom(16).hex(), 0
    while True:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        if not entries:
            break
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            for inner in list(os.scandir(entry.path)):
                moved += 1
                if inner.is_dir(follow_symlinks=False):
                    os.chmod(inner.path, 0o700)
                os.rename(inner.path, os.path.join(folder, f"{unused}{moved}"))
            os.rmdir(entry.path)
    os.rmdir(folder)
