"""Changes its earlier answers when the next call tells what would have been right.

family: replay
expect: ok

The next input shows the window that the last answer was for. A judge that keeps the program's array and measures at
the end measures what was put there in hindsight. It must have a copy of its own before the next call.
"""

_answers = []


def cheat(honest, arguments):
    fresh = honest(**arguments)
    for answer in _answers:
        if answer.shape == fresh.shape:
            answer[...] = fresh
    _answers.append(fresh)
    return fresh
