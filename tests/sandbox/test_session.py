"""What a program may do and how every way to end is told."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from sandbox import Buffer, Ending, Execution, Limits, Sandbox, SandboxError

Run = Callable[..., Execution]


def buffer(array: np.ndarray) -> Buffer:
    return Buffer(dtype=array.dtype.str, shape=array.shape, data=np.ascontiguousarray(array).tobytes())


def array(value: object) -> np.ndarray:
    assert isinstance(value, Buffer)
    return np.ndarray(value.shape, value.dtype, buffer=value.data)


ARRAYS = [
    np.arange(6, dtype="<f4").reshape(2, 3),
    np.zeros((0,), "<f8"),
    np.zeros((3, 0, 2), "<i4"),
    np.array(7, "<i8"),
    np.array([True, False]),
    np.arange(5, dtype="|u1"),
    np.linspace(0, 1, 4).astype("<f2"),
    np.arange(300_000, dtype="<f8"),
]


@pytest.mark.parametrize("original", ARRAYS, ids=lambda a: f"{a.dtype.str}{a.shape}")
def test_arrays_return_as_they_came(run: Run, original: np.ndarray) -> None:
    result = run("def f(x): return x", x=buffer(original))
    assert result.ending is Ending.REPLIED, result
    back = array(result.value)
    assert back.dtype == original.dtype
    assert back.shape == original.shape
    assert np.array_equal(back, original)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("np.arange(12).reshape(3, 4).T", np.arange(12).reshape(3, 4).T),
        ("np.arange(12)[::-2]", np.arange(12)[::-2]),
        ("np.arange(3, dtype='>i4')", np.arange(3, dtype="<i4")),
        ("np.matrix([[1, 2]])", np.array([[1, 2]])),
        ("np.broadcast_to(np.float32(2), (2, 2))", np.full((2, 2), 2, "<f4")),
    ],
)
def test_unusual_layouts_arrive_in_c_order(run: Run, expression: str, expected: np.ndarray) -> None:
    result = run(f"import numpy as np\ndef f(): return {expression}")
    assert np.array_equal(array(result.value), expected)


@pytest.mark.parametrize(
    "expression",
    [
        "np.array([object()])",
        "np.array([1j])",
        "np.array(['a'])",
        "np.zeros(2, np.longdouble)",
        "np.zeros(1, [('a', 'i4')])",
        "np.zeros(1, 'datetime64[s]')",
        "object()",
        "{1, 2}",
        "{'nested': np.zeros(1)}",
    ],
)
def test_what_is_neither_plain_array_nor_json_is_refused(run: Run, expression: str) -> None:
    result = run(f"import numpy as np\ndef f(): return {expression}")
    assert result.ending is Ending.RAISED
    assert result.reason.startswith("TypeError")


@pytest.mark.parametrize(
    "value", [None, True, 3, 2.5, "ä", [1, [2, "x"]], {"a": {"b": [None]}, "array": 0, "json": 1}, []]
)
def test_json_returns_as_it_came(run: Run, value: object) -> None:
    assert run("def f(x): return x", x=value).value == value


def test_lists_may_mix_arrays_and_json(run: Run) -> None:
    result = run("import numpy as np\ndef f(): return [np.arange(2), {'n': np.int64(3)}, (1, 2)]")
    assert isinstance(result.value, tuple)
    assert np.array_equal(array(result.value[0]), [0, 1])
    assert result.value[1:] == ({"n": 3}, [1, 2])


@pytest.mark.parametrize("attempt", ["x[0] = 1", "x.setflags(write=True)", "x.sort()"])
def test_arguments_are_read_only(run: Run, attempt: str) -> None:
    result = run(f"def f(x): {attempt}", x=buffer(np.array([2, 1])))
    assert result.ending is Ending.RAISED
    assert result.reason.startswith("ValueError")


COUNTER = "n = 0\ndef f():\n    global n\n    n += 1\n    return n"


def test_module_state_lasts_for_a_session_and_no_longer(sandbox: Sandbox) -> None:
    for _ in range(2):
        with sandbox.open(COUNTER, "f", Limits()) as session:
            counts = [session.call({}, timeout_seconds=20).value for _ in range(3)]
        assert counts == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f():\n    x = 1\n    raise KeyError('k')", "KeyError: 'k' (line 3)"),
        (
            "def f():\n    return g()\ndef g():\n    return 1 / 0",
            "ZeroDivisionError: division by zero (line 4)",
        ),
        ("def f(:", "SyntaxError: invalid syntax (line 1)"),
        (
            "import does_not_exist\ndef f(): pass",
            "ModuleNotFoundError: No module named 'does_not_exist' (line 1)",
        ),
        ("def g(): pass", "LookupError: the program defines no function 'f'"),
        (
            "class E(Exception):\n    def __str__(self): return 1 / 0\ndef f(): raise E",
            "E: (its message cannot",
        ),
        ("def f(): raise ValueError('a' * 100000)", "ValueError: aaaa"),
        ("def f(): return f()", "RecursionError"),
        (
            "def f(): raise BaseException('two\\nlines\\x1b[2J\\ud800')",
            "BaseException: two lines?[2J? (line 1)",
        ),
    ],
)
def test_exceptions_are_told_in_one_line(run: Run, source: str, reason: str) -> None:
    result = run(source)
    assert result.ending is Ending.RAISED
    assert result.reason.startswith(reason)
    assert len(result.reason) <= 500
    assert result.reason.isprintable()


def test_a_session_goes_on_after_an_exception(sandbox: Sandbox) -> None:
    with sandbox.open("def f(x): return 1 / x", "f", Limits()) as session:
        assert session.load.ending is Ending.REPLIED
        assert session.call({"x": 0}, timeout_seconds=20).ending is Ending.RAISED
        assert session.call({"x": 2}, timeout_seconds=20).value == 0.5


@pytest.mark.parametrize(
    ("source", "ending", "reason"),
    [
        ("import os\ndef f(): os._exit(3)", Ending.EXITED, "exit status 3"),
        ("import sys\ndef f(): sys.exit(4)", Ending.EXITED, "exit status 4"),
        ("import sys\ndef f(): sys.exit()", Ending.EXITED, "exit status 0"),
        ("import sys\nsys.exit(5)\ndef f(): pass", Ending.EXITED, "exit status 5"),
        ("import ctypes\ndef f(): ctypes.string_at(0)", Ending.SIGNALLED, "SIGSEGV"),
        ("import os\ndef f(): os.abort()", Ending.SIGNALLED, "SIGABRT"),
        ("import os, signal\ndef f(): os.kill(os.getpid(), signal.SIGKILL)", Ending.SIGNALLED, "SIGKILL"),
        ("def f(): return bytearray(20 << 30)", Ending.OUT_OF_MEMORY, "MemoryError"),
        ("x = [bytearray(20 << 30)]\ndef f(): pass", Ending.OUT_OF_MEMORY, "MemoryError"),
        (
            "kept = []\ndef f():\n while 1: kept.append(bytearray(20 << 20))",
            Ending.OUT_OF_MEMORY,
            "MemoryError",
        ),
    ],
)
def test_a_dead_guest_stays_dead(sandbox: Sandbox, source: str, ending: Ending, reason: str) -> None:
    with sandbox.open(source, "f", Limits(memory_bytes=512 << 20)) as session:
        first = session.call({}, timeout_seconds=20)
        assert (first.ending, first.reason) == (ending, reason)
        assert session.call({}, timeout_seconds=20) is session.call({}, timeout_seconds=20)


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import signal\n for n in (2, 15): signal.signal(n, signal.SIG_IGN)\n while True: pass",
        "import signal\n signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n signal.sigwait([10])",
        "import os\n os.kill(os.getpid(), 19)",
    ],
    ids=["loop", "ignores signals", "blocks signals", "stops itself"],
)
def test_hanging_is_a_timeout(run: Run, body: str) -> None:
    result = run(f"def f():\n {body}", timeout_seconds=0.3)
    assert result.ending is Ending.TIMEOUT
    assert "0.3 s" in result.reason


def test_hanging_while_loading_is_a_timeout(run: Run) -> None:
    result = run("while True: pass\ndef f(): pass", limits=Limits(load_seconds=0.3))
    assert result.ending is Ending.TIMEOUT


def test_a_large_request_to_a_guest_that_does_not_listen_is_a_timeout(sandbox: Sandbox) -> None:
    source = "import os, threading\ndef f(x=None):\n threading.Timer(0.01, os.kill, (os.getpid(), 19)).start()"
    with sandbox.open(source, "f", Limits(threads=2)) as session:
        session.call({}, timeout_seconds=20)
        time.sleep(0.1)
        large = Buffer(dtype="|u1", shape=(64 << 20,), data=bytes(64 << 20))
        assert session.call({"x": large}, timeout_seconds=0.3).ending is Ending.TIMEOUT


# What a guest finds when it looks for the channel: the only socket among its descriptors.
FIND = """
import os, stat
def is_socket(n):
    return os.path.exists(f'/proc/self/fd/{n}') and stat.S_ISSOCK(os.fstat(n).st_mode)
sock = next(filter(is_socket, range(3, 64)))
"""
FRAME = """
import json, struct
def frame(header, payload=b'', size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(payload) if size is None else size
    return struct.pack('<4sIQ', b'sbx1', len(text), size) + text + payload
"""


def forged(header: object, payload: str = "b''", size: str = "None") -> str:
    """A program that finds the request's nonce by walking frames and writes a reply of its own."""
    return (
        FIND
        + FRAME
        + "import sys\ndef f():\n up = sys._getframe()\n while 'nonce' not in up.f_locals: up = up.f_back\n"
        + f" nonce = up.f_locals['nonce']\n os.write(sock, frame({header}, {payload}, {size}))\n os._exit(0)"
    )


def described(dtype: object, shape: object) -> str:
    return f"{{'nonce': nonce, 'ending': 'replied', 'value': {{'array': 0}}, 'arrays': {[[dtype, shape]]}}}"


@pytest.mark.parametrize(
    "source",
    [
        FIND + "def f(): os.write(sock, b'x' * 1000)",
        forged("b'not json'"),
        forged("b'[]'"),
        forged("b'[' * 100000"),
        forged("{'nonce': nonce}"),
        forged("{'nonce': nonce, 'ending': 'replied', 'arrays': []}"),
        forged("{'nonce': 'other', 'ending': 'replied', 'value': {'json': 1}, 'arrays': []}"),
        forged("{'nonce': nonce, 'ending': 'timeout', 'arrays': []}"),
        forged("{'nonce': nonce, 'ending': ['replied'], 'arrays': []}"),
        forged("{'nonce': nonce, 'ending': 'replied', 'value': {'array': 0}, 'arrays': []}"),
        forged("{'nonce': nonce, 'ending': 'replied', 'value': {'array': -1}, 'arrays': [['|u1', [0]]]}"),
        forged(described("<f4", [2]), "b'1234'"),
        forged(described("<f4", [1]), "b'1234' + bytes(1000)"),
        forged(described("<f4", [-1])),
        forged(described("<f4", [True]), "bytes(64)"),
        forged(described("<f4", [1.0]), "bytes(64)"),
        forged(described("<f4", [0, 10**30])),
        forged(described("<f4", [0] * 40)),
        forged(described("|O8", [1]), "bytes(64)"),
        forged(described(">f4", [1]), "bytes(64)"),
        forged(described("<f1", [1]), "bytes(64)"),
        forged(described(4, [1]), "bytes(64)"),
        forged(described("|b1", [1]), "b'\\x02' + bytes(63)"),
        forged(described("<f4", [1]), "b''", "2**60"),
        "def f(): return 'x' * (20 << 20)",
        "import numpy as np\ndef f(): return np.zeros(4 << 20)",
    ],
)
def test_a_malformed_or_oversize_reply_is_a_violation(run: Run, source: str) -> None:
    result = run(source)
    assert result.ending is Ending.VIOLATION, result
    assert result.reason


def test_a_well_formed_forgery_is_not_told_from_a_reply(run: Run) -> None:
    """The limit of this room: whoever judges must not believe what a reply says, only check it."""
    result = run(forged("{'nonce': nonce, 'ending': 'replied', 'value': {'json': 1e9}, 'arrays': []}"))
    assert (result.ending, result.value) == (Ending.REPLIED, 1e9)


REPLY = "frame({'nonce': '', 'ending': 'replied', 'value': {'json': 1}, 'arrays': []})"


@pytest.mark.parametrize("text", ["b'x'", REPLY])
def test_replying_before_being_asked_is_a_violation(sandbox: Sandbox, text: str) -> None:
    """Whether it comes between two requests or while the second is served."""
    later = f"threading.Timer(0.05, lambda: os.write(sock, {text})).start()"
    source = f"{FIND}{FRAME}\nimport threading, time\ndef f(wait):\n if wait: time.sleep(0.5)\n else: {later}\n"
    with sandbox.open(source, "f", Limits(threads=2)) as session:
        assert session.call({"wait": False}, timeout_seconds=20).ending is Ending.REPLIED
        assert session.call({"wait": True}, timeout_seconds=20).ending is Ending.VIOLATION
    with sandbox.open(source, "f", Limits(threads=2)) as session:
        assert session.call({"wait": False}, timeout_seconds=20).ending is Ending.REPLIED
        time.sleep(0.3)
        assert session.call({"wait": True}, timeout_seconds=20).ending is Ending.VIOLATION


@pytest.mark.parametrize("after", ["", "\n import time\n time.sleep(60)"])
def test_a_guest_that_closes_its_descriptors_is_over(run: Run, after: str) -> None:
    result = run(f"import os\ndef f():\n os.closerange(0, 64){after}")
    assert result.ending in (Ending.EXITED, Ending.VIOLATION)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_prints_are_kept_in_part(sandbox: Sandbox, stream: str) -> None:
    source = f"import sys\ndef f():\n for _ in range(100): print('x' * 1_000_000, file=sys.{stream})\n return 1"
    with sandbox.open(source, "f", Limits(log_bytes=1000)) as session:
        assert session.call({}, timeout_seconds=60).value == 1
        assert session.close() == "x" * 1000
        assert session.close() == "x" * 1000


def test_a_fatal_ending_carries_the_log(run: Run) -> None:
    result = run("import os\ndef f():\n print('so far')\n os._exit(1)")
    assert result.log == "so far\n"


def test_an_argument_that_cannot_be_sent_is_the_callers_fault(sandbox: Sandbox) -> None:
    with sandbox.open("def f(x): return x", "f", Limits()) as session:
        for bad in (
            object(),
            [Buffer(dtype="<f4", shape=(1,), data=b"")],
            Buffer(dtype="<f4", shape=(1,), data=b""),
        ):
            with pytest.raises(SandboxError, match="arguments must be"):
                session.call({"x": bad}, timeout_seconds=20)  # type: ignore[dict-item]
        assert session.call({"x": 1}, timeout_seconds=20).value == 1
    with pytest.raises(SandboxError, match="closed"):
        session.call({"x": 1}, timeout_seconds=20)


def test_seconds_are_measured_by_the_caller(run: Run) -> None:
    assert run("import time\ndef f(): time.sleep(0.05)").seconds >= 0.05
