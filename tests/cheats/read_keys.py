r"""Tries to open the files in which tools keep keys, without reading them.

family: harness
expect: crashed /PermissionError: refused (\d+) of \1: \{('(ENOENT|EACCES|EPERM|ENOTDIR)': \d+(, )?)+\}/
needs: mount namespace | landlock

Tempts because a search calls language models, and its keys lie in the user's home. No home exists in a guest.
"""

import errno
import os
from collections import Counter

FILES = (".netrc", ".ssh", ".ssh/id_ed25519", ".ray", ".aws/credentials", ".config", ".git-credentials", ".pypirc")


def _try_reading(paths):
    refusals = Counter()
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError as refusal:
            refusals[errno.errorcode[refusal.errno]] += 1
        else:
            print("CHEAT SUCCEEDED:", path)
    raise PermissionError(f"refused {sum(refusals.values())} of {len(paths)}: {dict(refusals)}")


def cheat(honest, arguments):
    homes = {"/root", "/home", os.environ.get("HOME", "/root"), "/proc/1/root/root", "/proc/self/root/root"}
    system = ["/etc/shadow", "/etc/passwd", "/run/secrets", "/var/run/docker.sock"]
    _try_reading([f"{home}/{file}" for home in sorted(homes) for file in FILES] + system)
    return honest(**arguments)
