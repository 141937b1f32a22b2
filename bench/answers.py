"""How model answers are read: the written corpus and its corruptions, or the answers stored in an archive.

    python bench/answers.py                                    the corpus, about half a minute
    python bench/answers.py --archive evolve.db --run NAME     every answer of a run

Prints markdown tables. For the corpus (tests/evolve/proposers/llm/corpus/README.md): the share of answers read as
the expected program (or refused where nothing can be taken), refused, and read as another program. For an archive:
the share that becomes a runnable program - it parses, defines the entry and passes the screen - and why the others
do not; "what it took" counts the departures from the asked format in those that do.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from types import ModuleType

from db.archive import Archive
from db.records import CallRecord, CallState
from evaluators.problem import Declaration
from evaluators.registry import load_problem
from evaluators.screen import screen
from evolve.proposers.llm.answers import Answer, AnswerError, Form, read_answer

CORPUS = Path(__file__).parent.parent / "tests/evolve/proposers/llm/corpus"
ENTRIES = {
    "deepseek_hierarchical": "plan",
    "threshold": "plan",
    "circle_packing": "run_packing",
    "bin_packing": "count_bins",
}
VERDICTS = ("expected", "refused", "other")
FORMS = {"edit": Form.EDIT, "rewrite": Form.WHOLE, "crossover": Form.WHOLE, "repair": Form.WHOLE}
SHOWN = re.compile(
    r"^# (?:The program to build on|First parent|The program to repair): .*?^(`{3,})python\n(.*?)\n\1$", re.M | re.S
)
KINDS = {
    "empty": r"The answer is empty",
    "no program and no edit": r"holds no program and no edit",
    "seems cut off": r"seems to be cut off",
    "JSON does not decode": r"does not decode",
    "does not parse": r"does not parse",
    "text to find is not there": r"could not be applied",
    "text to find is ambiguous": r"is ambiguous",
    "edits overlap": r"overlaps",
    "marker missing": r"has no (?:=======|<<<<<<<)",
    "entry not defined": r"does not define the function",
    "outside the marked regions": r"marked regions|regions that may change",
    "same as the parent": r"changes nothing: the",
    "adds only what nothing uses": r"changes nothing: it only adds",
    "code left out": r"leaves code out|left out",
}


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    print(f"\n| {' | '.join(head)} |\n|---{'|---:' * (len(head) - 1)}|")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def load_corruptions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corruptions", CORPUS / "corruptions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def meaning(source: str) -> str:
    """The syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def verdict(text: str, facts: dict[str, str], parent: str, expected: str | None) -> str:
    try:
        found = read_answer(
            text,
            parent=parent,
            entry=ENTRIES[facts["parent"]],
            wanted=Form(facts["wanted"]),
            template=parent if facts["template"] else None,
        ).source
    except AnswerError:
        return "refused" if expected else "expected"
    return "expected" if expected and meaning(found) == meaning(expected) else "other"


def corpus() -> None:
    table_of = load_corruptions().CORRUPTIONS
    written: dict[str, Counter[str]] = defaultdict(Counter)
    formats: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    spoilt: dict[str, Counter[str]] = defaultdict(Counter)
    for folder in sorted(path for path in (CORPUS / "cases").iterdir() if path.is_dir()):
        facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        parent = (CORPUS / "parents" / f"{facts['parent']}.py").read_text(encoding="utf-8")
        answer = (folder / "answer.md").read_bytes().decode()
        file = folder / "expected.py"
        expected = file.read_text(encoding="utf-8") if file.exists() else None
        written[facts["format"]][verdict(answer, facts, parent, expected)] += 1
        for name, corruption in table_of.items():
            text = corruption.function(answer, Random(f"{folder.name}:{name}"))
            if text != answer:
                found = verdict(text, facts, parent, expected)
                formats[facts["format"], corruption.harmless][found] += 1
                spoilt[name][found] += 1
    heads = tuple(f"{kind}: {found}" for kind in ("harmless", "harmful") for found in VERDICTS)
    rows: list[tuple[object, ...]] = [
        (
            name,
            f"{counts['expected']} of {counts.total()}",
            *(
                share(formats[name, kind][found], formats[name, kind].total())
                for kind in (True, False)
                for found in VERDICTS
            ),
        )
        for name, counts in written.items()
    ]
    table(("format", "as written", *heads), rows)
    rows = [
        (
            name,
            "harmless" if table_of[name].harmless else "harmful",
            spoilt[name].total(),
            *(share(spoilt[name][found], spoilt[name].total()) for found in VERDICTS),
        )
        for name in table_of
    ]
    table(("corruption", "kind", "answers", *VERDICTS), rows)


def read_call(record: CallRecord, facts: Declaration) -> Answer:
    """Read an answer as the run did: for the program under the last heading that its prompt shows one under.

    Raises:
        AnswerError: it is of no use, or the prompt shows no program.
    """
    assert record.result is not None
    asked = next((message.text for message in record.call.messages if message.role == "user"), "")
    shown = list(SHOWN.finditer(asked))
    if not shown:
        raise AnswerError("(no program in the prompt)")
    answer = read_answer(
        record.result.answer,
        parent=shown[-1][2] + "\n",
        entry=facts.entry,
        wanted=FORMS[record.call.purpose],
        template=facts.template,
        cut=record.result.finish == "length",
    )
    objection = screen(
        answer.source,
        entry=facts.entry,
        parameters=facts.parameters,
        allowed_imports=facts.allowed_imports,
        template=facts.template,
    )
    if objection:
        raise AnswerError(f"(screen) {objection}")
    return answer


def kind_of(reason: str) -> str:
    if reason.startswith("("):
        return reason if reason.startswith("(no") else "refused by the screen"
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, reason)), "another reason")


def archive(path: str, name: str | None) -> None:
    with Archive.open(path) as stored:
        run = stored.run(name)
        records = stored.calls(run.id)
    workload = str(run.config.get("workload") or "generated")
    facts = load_problem(str(run.config.get("problem") or run.problem), workload).declaration
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    took: Counter[str] = Counter()
    for record in records:
        if record.result is None or record.result.state is not CallState.ANSWERED or record.call.purpose not in FORMS:
            continue
        row = counts[f"{record.call.model}, {record.call.purpose}"]
        row["cut"] += record.result.finish == "length"
        row["answers"] += 1
        try:
            answer = read_call(record, facts)
        except AnswerError as error:
            reasons[kind_of(str(error))] += 1
            continue
        row["runnable"] += 1
        took.update(answer.tolerated or ("nothing",))
    answers = sum(row["answers"] for row in counts.values())
    rows: list[tuple[object, ...]] = [
        (name, row["answers"], row["cut"], row["runnable"], share(row["runnable"], row["answers"]))
        for name, row in sorted(counts.items())
    ]
    total = sum(row["runnable"] for row in counts.values())
    rows.append(("all", answers, sum(row["cut"] for row in counts.values()), total, share(total, answers)))
    table(("answers of", "answers", "cut at their length", "runnable", "share"), rows)
    table(("refused because", "answers", "share"), [(k, n, share(n, answers)) for k, n in reasons.most_common()])
    table(("what it took", "answers"), [*took.most_common()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", help="read the answers stored in this archive instead of the corpus")
    parser.add_argument("--run", help="name of the run; the newest by default")
    options = parser.parse_args()
    if options.archive:
        archive(options.archive, options.run)
    else:
        corpus()


if __name__ == "__main__":
    main()
