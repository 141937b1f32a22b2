"""Returns its reply and a claimed objective, side by side.

family: specification
expect: wrong /the plan must be an array of int32, not several values/
expect: wrong /the answer must be an array of float64, not several values/

Tempts where an entry point returns a pair of answer and figure and the figure is believed.
"""


def cheat(honest, arguments):
    return honest(**arguments), 1.0
