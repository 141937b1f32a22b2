"""The template engine: strict, sandboxed, and closed to text that has not been cleaned."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evolve.proposers.llm.prompts.clean import FILTERS, Clean


class UncleanError(TypeError):
    """A template prints a value that went through no filter of `clean`."""


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """The engine with all templates of this folder; values are printed, and never read as templates."""
    engine = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        finalize=_only_clean,
        autoescape=False,  # the output is Markdown; `finalize` sees to what autoescape would
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    engine.filters.update({function.__name__: function for function in FILTERS})
    return engine


def _only_clean(value: object) -> object:
    if isinstance(value, Clean | int | Undefined):
        return value
    raise UncleanError(f"a template prints {value!r:.80} as it is; pass it through a filter of prompts/clean.py")
