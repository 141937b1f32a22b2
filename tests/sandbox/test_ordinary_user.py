"""A caller without any privilege: what it can run, and that attacks fail there too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import ENFORCED, Layer, Tier, missing_for, tier_of

CALLER = """
import json
if os.geteuid() == 0:
    open_up()
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
from sandbox import Buffer, Limits, Sandbox
secret = sys.argv[1]
ATTACKS = {
    "reads": f"open({secret!r}).read()",
    "writes": f"open({secret!r}, 'w').write('x')",
    "kills": f"os.kill({os.getpid()}, 9)",
    "kills the zygote": "os.kill(os.getppid(), 9)",
    "connects": "socket.socket()",
    "forks": "os.fork()",
    "starts a thread": "threading.Thread(target=print).start()",
    "looks at the zygote": "open(f'/proc/{os.getppid()}/environ').read()",
    "hoards": "bytearray(20 << 30)",
}
BOMB = '''
import os, time
def f():
    count = 0
    while count < 200:
        try:
            if os.fork() == 0:
                time.sleep(60)
        except BlockingIOError:
            break
        count += 1
    return count
'''
out = {"user": os.getuid(), "attacks": {}}
with Sandbox(preload=("numpy",), array_module="numpy") as sandbox:
    out["layers"] = dict(sandbox.layers)
    with sandbox.open("import numpy as np\\ndef f(x): return float(np.linalg.eigvalsh(x).sum())", "f", Limits()) as one:
        eye = Buffer(dtype="|u1", shape=(3, 3), data=bytes([1, 0, 0, 0, 1, 0, 0, 0, 1]))
        out["numpy"] = one.call({"x": eye}, timeout_seconds=30).value
    for name, body in ATTACKS.items():
        source = f"import os, socket, threading\\ndef f(): return str({body})"
        with sandbox.open(source, "f", Limits()) as one:
            told = one.call({}, timeout_seconds=30)
        out["attacks"][name] = [told.ending, told.value, told.reason]
    with sandbox.open(BOMB, "f", Limits(processes=5)) as one:
        out["bomb"] = one.call({}, timeout_seconds=30).value
print(json.dumps(out))
"""


@pytest.fixture
def secret() -> Iterator[Path]:
    """A file that everybody may read and write, outside pytest's folder, which is the test runner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "secret"
        file.write_text("secret")
        file.chmod(0o666)
        yield file


def test_an_ordinary_user_runs_numpy_and_is_safe(open_up: str, secret: Path) -> None:
    command = [sys.executable, "-c", open_up + CALLER, str(secret)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if "linux.mount" in done.stderr and "Operation not permitted" in done.stderr:
        pytest.skip(f"no other user can read {sys.prefix}, and mounts are refused")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["user"] == (os.getuid() or 65534)
    assert told["numpy"] == 3.0
    layers = told["layers"]
    assert layers[Layer.ORDINARY_USER] == ENFORCED
    tier = tier_of(layers)
    assert tier in (Tier.FULL, Tier.LANDLOCK), missing_for(Tier.LANDLOCK, layers)
    for name, (ending, value, reason) in told["attacks"].items():
        assert ending in ("raised", "out_of_memory"), (name, ending, value, reason)
    assert secret.read_text() == "secret"
    if layers[Layer.PROCESS_COUNT] == ENFORCED:
        assert told["bomb"] < 100
