r"""Never answers.

family: timing
expect: timeout /no reply within \d/
expect: timeout /no reply within/

An evaluator without a limit of its own waits with it. The judge's clock must end every call.
"""


def cheat(honest, arguments):
    honest(**arguments)
    while True:
        pass
