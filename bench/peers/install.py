"""Makes one virtual environment for each peer and installs the pinned versions into it, from PyPI by pip.

    python bench/peers/install.py                   all of them
    python bench/peers/install.py gepa openevolve   these

An environment that already holds exactly the pinned versions is left as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).parent
NAMES = ("gepa", "openevolve", "shinka", "skydiscover")
INSTALL_SECONDS = 900


def venv_python(peer: str) -> Path:
    """Where a peer's interpreter is, installed or not."""
    return PEERS / ".venvs" / peer / "bin" / "python"


def install(peer: str) -> None:
    """Brings the environment of one peer to its requirements."""
    requirements = PEERS / peer / "requirements.txt"
    python = venv_python(peer)
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
    done = python.parents[1] / "installed.txt"
    if done.exists() and done.read_text() == requirements.read_text():
        return
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
    subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
    done.write_text(requirements.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(NAMES)} (default all)")
    options = parser.parse_args()
    unknown = set(options.peers) - set(NAMES)
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    failed = []
    for peer in options.peers or NAMES:
        try:
            install(peer)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{peer}: not installed: {error}", file=sys.stderr)
            failed.append(peer)
        else:
            print(f"{peer}: {venv_python(peer)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
