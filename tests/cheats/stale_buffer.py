"""Returns memory that nobody has written.

family: outputs
expect: wrong /has no slot|expert ids must lie/
expect: wrong /an id is repeated|does not point at|ids must lie|the answer/
expect: ok

Memory that was just freed often still holds the right answer, of the reference or of an earlier call. Fresh processes
and a check of every element must stop it.
"""

import numpy as np

_form = []


def cheat(honest, arguments):
    if not _form:
        _form.append(honest(**arguments))  # kept alive, so that only older memory can be handed out
    return np.empty(_form[0].shape, _form[0].dtype)
