"""Why a candidate is refused, in one line with the line of its source."""

from __future__ import annotations

import re
import traceback
from types import TracebackType

from triton.compiler.errors import CompilationError, CompileTimeAssertionFailure
from triton.runtime.errors import PTXASError

FILENAME = "<candidate kernels>"
MOST_CHARACTERS = 400
ASSEMBLER_ERROR = re.compile(r"^ptxas.*?\b(?:error|fatal) *: *(.*)$", re.MULTILINE)


class RefusalError(Exception):
    """The candidate does what cannot be recorded.

    Args:
        reason: why, in one line.
        wrong: what it returns is wrong; without, it could not be run to its end.
    """

    def __init__(self, reason: str, *, wrong: bool = False) -> None:
        super().__init__(reason)
        self.wrong = wrong


def describe(error: BaseException, source: str) -> str:
    """One line: what happened, and on which line of the source.

    Args:
        error: what was raised.
        source: the candidate's.
    """
    if isinstance(error, SyntaxError):
        return _joined(f"SyntaxError: {error.msg}", error.lineno if error.filename == FILENAME else None)
    line = _line(error.__traceback__)
    if isinstance(error, RefusalError):
        return _joined(str(error), line)
    failures = [failure for failure in _chain(error) if isinstance(failure, CompilationError)]
    if failures:
        lines = [found for failure in failures if (found := _line_of(failure, source))]
        return _joined(f"does not compile: {_message(failures[-1])}", lines[-1] if lines else line)
    if isinstance(error, PTXASError):
        return _joined(f"does not compile: {_of_ptxas(str(error))}", line)
    return _joined(_plain(error), line)


def _plain(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and what caused it, the deepest cause last."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _line(trace: TracebackType | None) -> int | None:
    found = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILENAME:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _line_of(failure: CompilationError, source: str) -> int | None:
    """The line of the source that a compiler's error means; None where it is about code from elsewhere."""
    number = getattr(failure.node, "lineno", None)
    if number is None or not failure.src:
        return None
    wanted = [line.strip() for line in failure.src.splitlines()]
    lines = [line.strip() for line in source.splitlines()]
    starts = (start for start in range(len(lines)) if lines[start : start + len(wanted)] == wanted)
    start = next(starts, None)
    return None if start is None else start + number


def _message(failure: CompilationError) -> str:
    cause = failure.__cause__
    if failure.error_message:
        failed = "static assertion failed: " if isinstance(failure, CompileTimeAssertionFailure) else ""
        return failed + str(failure.error_message)
    return _plain(cause) if cause is not None else type(failure).__name__


def _of_ptxas(text: str) -> str:
    """The assembler's first error, without the file that it names."""
    found = ASSEMBLER_ERROR.search(text)
    return f"ptxas: {found[1]}" if found else text.splitlines()[0]


def _joined(text: str, line: int | None) -> str:
    where = f" (line {line})" if line else ""
    return " ".join(text.split())[: MOST_CHARACTERS - len(where)] + where
