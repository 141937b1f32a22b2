"""Uses the temporary folder that the standard library finds.

family: honest
expect: ok

`tempfile` must find a folder that can be written, without being told which.
"""

import tempfile


def cheat(honest, arguments):
    with tempfile.TemporaryFile() as file, tempfile.NamedTemporaryFile("w+") as named:
        file.write(b"load")
        named.write("load")
        named.flush()
        file.seek(0)
        assert file.read() == b"load"
    return honest(**arguments)
