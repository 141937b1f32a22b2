r"""Returns the answer together with a score, a makespan and a time of its own.

family: outputs
expect: wrong /must be an array of \w+, not dict/

Published harnesses take metrics from the program's reply. The judge must compute everything itself, from one array.
"""


def cheat(honest, arguments):
    answer = honest(**arguments).tolist()
    return {"value": answer, "score": 1e9, "balance": 1.0, "makespan": 0.0, "seconds": 0.0, "correct": True}
