"""Uses logging and warnings in every call.

family: honest
expect: ok

Both write to the standard streams and keep state in modules; neither is a fault.
"""

import logging
import warnings

logging.basicConfig(level=logging.DEBUG, force=True)
_log = logging.getLogger("plan")


def cheat(honest, arguments):
    _log.info("planning for %s", sorted(arguments))
    _log.error("this only looks like a fault")
    warnings.warn("load is skewed", RuntimeWarning, stacklevel=1)
    return honest(**arguments)
