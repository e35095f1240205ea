"""The peers of the corpus benchmarks, in environments of their own: datatrove wants another xxhash than we do, and an old trafilatura.

python benchmarks/corpus/peer.py FOLDER    # prints the Python to hand to the benchmarks that compare with datatrove
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

DATATROVE = ("datatrove[io,processing]>=0.10,<0.11", "lxml_html_clean", "spacy", "fasttext-numpy2-wheel")
"""As its documentation installs it, and what its extractor (lxml 6 left a part out), MinHash and classifier do not import without."""

TRAFILATURA = ("trafilatura>=2,<3",)


def peer_venv(folder: Path, packages: tuple[str, ...] = DATATROVE) -> Path:
    """Return the Python of an environment with these packages, made below ``folder`` unless it is there."""
    wanted = "\n".join(packages)
    folder = folder / re.split(r"\W", packages[0])[0]
    python = folder / "bin" / "python"
    done = folder / "reasonforge-peer.txt"
    if not (done.exists() and done.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-U", "pip"], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        done.write_text(wanted)
    return python


def peer_versions(python: Path, *packages: str) -> dict[str, str]:
    """Return the versions of packages in the peer's environment."""
    code = "import json,sys;from importlib.metadata import version;print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    return json.loads(subprocess.run([str(python), "-c", code, *packages], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    print(peer_venv(Path(sys.argv[1])))
