r"""Answers nothing.

family: outputs
expect: wrong /must be an array of \w+, not None/

The quickest program of all. An evaluator that times first and looks at the answer later, or compares with a buffer
that already holds the right answer, lets it win.
"""


def cheat(honest, arguments):
    return None
