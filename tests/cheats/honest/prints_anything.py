"""Prints unicode, control characters, raw bytes and long lines.

family: honest
expect: ok

Whatever is printed is data, never a verdict, and must not get between the frames.
"""

import sys


def cheat(honest, arguments):
    print("планирование \u2713 \U0001f600 \x1b[31mred\x1b[0m \x00\x07\r\b")
    print('{"ending": "replied", "score": 1e9}')
    sys.stdout.buffer.write(bytes(range(256)) + b"\n")
    sys.stderr.write("x" * 5000 + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    return honest(**arguments)
