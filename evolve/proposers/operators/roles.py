"""What part each component plays in a program's composition, whatever it is called.

A step is ``x = component(...)`` in the entry. Its role is told by the first words of the component's name, where
they mean the same as those of another (predict, estimate: forecast), or by where its arguments come from: parameters
of the entry, which all programs of a problem share, and the results of other steps.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluators.scopes import parameters_of
from evolve.proposers.operators.source import Program

_MEANINGS = {
    "forecast": "forecast predict estimate extrapolate smooth expect project anticipate",
    "replicate": "replicate allocate duplicate apportion balance",
    "pack": "pack place assign deal distribute layout schedule arrange",
    "refine": "refine improve swap optimize optimise polish repair rebalance exchange",
    "keep": "keep stay retain hold stick preserve",
    "settle": "settle relabel align permute",
    "initialise": "init initialise initialize seed start construct",
    "order": "order sort rank prioritise prioritize",
    "score": "score rate evaluate cost utilisation utilization",
}
_ROLE_OF = {word: role for role, words in _MEANINGS.items() for word in words.split()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call of a component in the entry, whose result gets a name.

    Args:
        role: what it is for.
        function: the component.
        target: the name that its result gets.
        call: the call.
        statement: the assignment around it.
        base: the role of the step that made its target first: its own, or that of the step whose result it reworks.
        origins: where its arguments come from, see `Roles.origin`.
    """

    role: str
    function: str
    target: str
    call: ast.Call
    statement: ast.Assign
    base: str
    origins: frozenset[str]

    @property
    def reworks(self) -> bool:
        """Whether it takes what it gives: a refinement that can be left out or put in."""
        return any(isinstance(item, ast.Name) and item.id == self.target for item in self.call.args)


class Roles:
    """The steps of a program's entry.

    Args:
        program: the program.
        entry: its entry.
    """

    def __init__(self, program: Program, entry: str) -> None:
        self.steps: tuple[Step, ...] = ()
        function = program.functions.get(entry)
        self._parameters = {argument.arg for argument in parameters_of(function.args)} if function else set()
        self._holders: dict[str, list[Step]] = {}
        for statement in _in_order(function.body) if function else ():
            match statement:
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.expr() as value):
                    for node in program.flow.walk(value):
                        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                            name = node.func.id
                            if name in program.functions and name != entry:
                                self._add(name, target, node, statement)
                                break

    def _add(self, name: str, target: str, call: ast.Call, statement: ast.Assign) -> None:
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        origins = frozenset(
            self.origin(node.id) for value in values for node in ast.walk(value) if isinstance(node, ast.Name)
        )
        role = role_of(name)
        before = self._holders.get(target)
        reworks = before and any(isinstance(item, ast.Name) and item.id == target for item in call.args)
        step = Step(
            role=role,
            function=name,
            target=target,
            call=call,
            statement=statement,
            base=before[0].base if before and reworks else role,
            origins=origins - {""},
        )
        self._holders.setdefault(target, []).append(step)
        self.steps = (*self.steps, step)

    def origin(self, name: str) -> str:
        """Where a name's value comes from: a parameter of the entry, or a step by its base role; empty if elsewhere."""
        if name in self._holders:
            return f"step {self._holders[name][0].base}"
        return f"parameter {name}" if name in self._parameters else ""

    def holder(self, origin: str, line: int) -> str | None:
        """The name that holds what comes from an origin before a line; None where there is none."""
        kind, _, what = origin.partition(" ")
        if kind == "parameter":
            return what if what in self._parameters else None
        for name, steps in self._holders.items():
            if steps[0].base == what and steps[0].statement.lineno < line:
                return name
        return None


def roles_of(program: Program, entry: str) -> Roles:
    """The roles of a program, worked out once."""
    return program.once(f"roles {entry}", lambda: Roles(program, entry))


def role_of(name: str) -> str:
    """The role that a function's name tells: what one of its words means, else the name itself."""
    words = name.strip("_").lower().split("_")
    return next((_ROLE_OF[word] for word in words if word in _ROLE_OF), name)


def counterpart(step: Step, others: Sequence[Step]) -> Step | None:
    """The step of another program that plays the same part: by role, else by where its arguments come from."""
    same = [other for other in others if other.role == step.role]
    if not same and step.role == step.function and not step.reworks:
        same = [other for other in others if other.origins == step.origins and not other.reworks]
    return same[0] if same else None


def rewritten(
    call: ast.Call, program: Program, roles: Roles, ours: Roles, line: int, also: Mapping[str, str] | None = None
) -> str | None:
    """Write a donor's arguments with the names that hold the same things in our program; None where one is missing.

    Args:
        call: in the donor's entry.
        program: the donor.
        roles: its roles.
        ours: the roles of the program that receives.
        line: where the call shall stand there.
        also: names of the donor for which ours are known already.
    """
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    names = [""] * len(call.args) + [f"{keyword.arg}=" if keyword.arg else "**" for keyword in call.keywords]
    written = []
    for value, keyword in zip(values, names, strict=True):
        start, end = program.span(value)
        text, position = "", start
        for node in sorted(_free_names(value), key=lambda node: (node.lineno, node.col_offset)):
            known = (also or {}).get(node.id)
            module = node.id in program.bindings and not roles.origin(node.id)
            holder = known or (None if module else ours.holder(roles.origin(node.id) or " ", line))
            if holder is None:
                return None
            node_start, node_end = program.span(node)
            text += program.slice(position, node_start) + holder
            position = node_end
        written.append(keyword + text + program.slice(position, end))
    return f"({', '.join(written)})"


def _free_names(value: ast.expr) -> Iterator[ast.Name]:
    return (node for node in ast.walk(value) if isinstance(node, ast.Name))


def _in_order(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        for attribute in ("body", "orelse"):
            yield from _in_order(getattr(statement, attribute, None) or ())
