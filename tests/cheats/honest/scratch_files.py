"""Writes, reads and deletes files in its working folder and in temporary ones.

family: honest
expect: ok

Scratch is there to be used, and empty for every program.
"""

import tempfile
from pathlib import Path

import numpy as np


def cheat(honest, arguments):
    answer = honest(**arguments)
    file = Path("answer.bin")
    assert not file.exists()
    file.write_bytes(answer.tobytes())
    read = np.frombuffer(file.read_bytes(), dtype=answer.dtype).reshape(answer.shape)
    file.unlink()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        np.save(Path(folder) / "answer.npy", read)
        return np.load(Path(folder) / "answer.npy")
