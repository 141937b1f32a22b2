"""Walks all frames, from its own outwards and of every thread, for the judge's state.

family: harness
expect: ok

Tempts where candidate and judge share a process: workloads, standards and the secret are then local variables a few
frames up. Says so if it finds an object of the judge or one of its variables.
"""

import sys

WANTED = {"secret", "judge", "standard", "standards", "workload", "stream", "block", "rival", "measured", "problem"}
ROOMS = ("evaluators", "evolve", "db", "reports", "seeds")


def _frames():
    try:
        raise RuntimeError
    except RuntimeError as error:
        starts = [error.__traceback__.tb_frame, *sys._current_frames().values()]
    for start in starts:
        frame = start
        while frame is not None:
            yield frame
            frame = frame.f_back


def cheat(honest, arguments):
    own = set(arguments)
    for frame in _frames():
        names = WANTED & set(frame.f_locals) - own
        kinds = {str(type(value).__module__).partition(".")[0] for value in frame.f_locals.values()}
        if names or kinds & set(ROOMS):
            print("CHEAT SUCCEEDED: in", frame.f_code.co_name, sorted(names), sorted(kinds & set(ROOMS)))
    return honest(**arguments)
