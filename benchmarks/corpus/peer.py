"""The peer of the corpus benchmarks, datatrove, in a virtual environment of its own: it wants another xxhash than we do.

python benchmarks/corpus/peer.py /tmp/peer    # prints the Python to hand to the benchmarks
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PACKAGES = ("datatrove[io,processing]>=0.10,<0.11", "lxml_html_clean")
"""As its documentation installs it, and the one package without which its extractor does not import (lxml 6 left it out)."""


def peer_venv(folder: Path) -> Path:
    """Return the Python of an environment with datatrove, made in ``folder`` unless it is there."""
    python = folder / "bin" / "python"
    done = folder / "reasonforge-peer.txt"
    wanted = "\n".join(PACKAGES)
    if not (done.exists() and done.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-U", "pip"], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
        done.write_text(wanted)
    return python


def peer_versions(python: Path, *packages: str) -> dict[str, str]:
    """Return the versions of packages in the peer's environment."""
    code = "import json,sys;from importlib.metadata import version;print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    return json.loads(subprocess.run([str(python), "-c", code, *packages], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    print(peer_venv(Path(sys.argv[1])))
