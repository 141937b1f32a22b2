"""Each tolerance of the reader, by an answer that needs it and the program that it means."""

# ruff: noqa: E501  # answers are clearer on one line
from __future__ import annotations

import json

import pytest

from evolve.proposers.llm.answers import Answer, AnswerError, Form, read_answer

PARENT = '''"""Doc."""

import numpy as np

DECAY = 0.9


def forecast(history):
    """Expect the mean."""
    weights = DECAY ** np.arange(len(history))
    return np.average(history, axis=0, weights=weights)


def pack(load, counts):
    """Greedy."""
    order = np.argsort(-load)
    for rank in range(3):
        # Turn it round.
        order = order[::-1]
    return order


def plan(history, previous, num_slots):
    """Plan."""
    load = forecast(history)
    slots = pack(load, num_slots)
    return slots
'''
SLOWER = PARENT.replace("0.9", "0.8")
LONGER = PARENT.replace("range(3)", "range(5)")
BOTH = SLOWER.replace("range(3)", "range(5)")
TEMPLATE = PARENT.replace("DECAY = 0.9\n", "# EVOLVE-BLOCK-START\nDECAY = 0.9\n").replace(
    "\n\ndef plan", "# EVOLVE-BLOCK-END\n\n\ndef plan"
)


def edit(old: str, new: str) -> str:
    return f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


def call(old: str, new: str) -> str:
    """A tool call."""
    return json.dumps({"name": "str_replace", "input": {"path": "plan.py", "old_str": old, "new_str": new}})


PATCH = "*** Begin Patch\n*** Update File: plan.py\n@@\n-DECAY = 0.9\n+DECAY = 0.8\n*** End Patch"
DECAY = edit("DECAY = 0.9", "DECAY = 0.8")
RANGE = edit("    for rank in range(3):", "    for rank in range(5):")


def fenced(code: str, info: str = "python") -> str:
    return f"```{info}\n{code.rstrip()}\n```\n"


def numbered(code: str, form: str) -> str:
    return "\n".join(form.format(n, line) for n, line in enumerate(code.rstrip().split("\n"), 1))


def indented(code: str, prefix: str) -> str:
    return "\n".join(prefix + line for line in code.rstrip().split("\n")) + "\n"


def read(text: str, *, wanted: Form = Form.EDIT, parent: str = PARENT, template: str | None = None) -> Answer:
    return read_answer(text, parent=parent, entry="plan", wanted=wanted, template=template)


LOOP = "    for rank in range(3):\n        # Turn it round.\n        order = order[::-1]"
EDITS = {
    "plain": (DECAY, SLOWER, ()),
    "prose around": (f"I make it slower.\n\n{DECAY}\nThat helps.", SLOWER, ()),
    "fenced with a file name": (f"plan.py\n```python\n{DECAY}```\n", SLOWER, ()),
    "file name inside of the fence": (f"```\nplan.py\n{DECAY}```\n", SLOWER, ()),
    "several": (DECAY + "and\n\n" + RANGE, BOTH, ()),
    "five characters": ("<<<<< SEARCH\nDECAY = 0.9\n=====\nDECAY = 0.8\n>>>>> REPLACE", SLOWER, ()),
    "nine characters": ("<<<<<<<<< ORIGINAL\nDECAY = 0.9\n=========\nDECAY = 0.8\n>>>>>>>>> UPDATED", SLOWER, ()),
    "git conflict": ("<<<<<<< HEAD\nDECAY = 0.9\n=======\nDECAY = 0.8\n>>>>>>> new-branch", SLOWER, ()),
    "DIFF tags": (f"<DIFF>\n{DECAY}</DIFF>", SLOWER, ()),
    "fences in halves": (
        "<<<<<<< SEARCH\n```python\nDECAY = 0.9\n```\n=======\n```python\nDECAY = 0.8\n```\n>>>>>>> REPLACE",
        SLOWER,
        ("fences inside of an edit",),
    ),
    "no last marker, fence": (
        "```\n" + DECAY.replace(">>>>>>> REPLACE\n", "```\nDone so."),
        SLOWER,
        ("missing marker",),
    ),
    "no last marker, prose": (
        DECAY.replace(">>>>>>> REPLACE\n", "\nThis makes the decay slower."),
        SLOWER,
        ("missing marker",),
    ),
    "no last marker, next edit": (DECAY.replace(">>>>>>> REPLACE\n", "") + RANGE, BOTH, ("missing marker",)),
    "no first marker": ("```\n" + DECAY.replace("<<<<<<< SEARCH\n", "") + "```", SLOWER, ("missing marker",)),
    "no divider": (DECAY.replace("=======\n", ""), SLOWER, ("missing marker",)),
    "doubled first marker": ("<<<<<<< SEARCH\n" + DECAY, SLOWER, ("doubled marker",)),
    "doubled divider": (DECAY.replace("=======\n", "=======\n=======\n"), SLOWER, ("doubled marker",)),
    "doubled last marker": (DECAY + ">>>>>>> REPLACE\n", SLOWER, ("doubled marker",)),
    "wrong divider": (DECAY.replace("=======", "<<<<<<< REPLACE"), SLOWER, ("wrong marker",)),
    "trailing white space": (edit("DECAY = 0.9  ", "DECAY = 0.8"), SLOWER, ("trailing white space",)),
    "indentation lost": (
        edit("for rank in range(3):\n    # Turn it round.", "for rank in range(5):\n    # Turn it round."),
        LONGER,
        ("indentation",),
    ),
    "narrower steps": (
        edit("  for rank in range(3):\n    # Turn it round.", "  for rank in range(5):\n    # Turn it round."),
        LONGER,
        ("indentation",),
    ),
    "first line's indentation lost": (
        edit(LOOP.strip(), LOOP.strip().replace("3", "5")),
        LONGER,
        ("indentation",),
    ),
    "blank lines": (
        edit("\nDECAY = 0.9\n\n\n\ndef forecast(history):", "DECAY = 0.8\n\ndef forecast(history):"),
        None,
        ("blank lines",),
    ),
    "comment left out": (
        edit(
            "    for rank in range(3):\n        order = order[::-1]",
            "    for rank in range(5):\n        order = order[::-1]",
        ),
        None,
        ("comment lines",),
    ),
    "part of a line": (edit("range(3)", "range(5)"), LONGER, ("part of a line",)),
    "fuzzy": (
        edit(
            "    orders = np.argsort(-load)\n    for rank in range(3):\n        # Turn it around.",
            "    orders = np.argsort(-load)\n    for rank in range(5):\n        # Turn it around.",
        ),
        LONGER,
        ("fuzzy match",),
    ),
    "line numbers": (
        edit(
            "  17 |     for rank in range(3):\n  18 |         # Turn it round.",
            "  17 |     for rank in range(5):\n  18 |         # Turn it round.",
        ),
        LONGER,
        ("line numbers",),
    ),
    "unusual spaces": (
        edit("\u00a0\u00a0\u00a0\u00a0for rank in range(3):", "    for\u00a0rank in range(5):"),
        LONGER,
        ("unusual spaces",),
    ),
    "line ends": (DECAY.replace("\n", "\r\n"), SLOWER, ("line ends",)),
    "typographic SEARCH": (
        edit(
            "    order = np.argsort(−load)\n    for rank in range(3):",
            "    order = np.argsort(-load)\n    for rank in range(5):",
        ),
        LONGER,
        ("typographic characters",),
    ),
    "edit twice": (DECAY + DECAY, SLOWER, ("repeated edit",)),
    "edit of an edit": (
        edit("DECAY = 0.9", "DECAY = 0.7") + edit("DECAY = 0.7", "DECAY = 0.8"),
        SLOWER,
        ("edit of an edit",),
    ),
    "edit without effect": (edit("not there", "not there") + DECAY, SLOWER, ("edit without effect",)),
    "gap in SEARCH": (
        edit("def pack(load, counts):\n    ...\n    return order", "def pack(load, counts):\n    return load"),
        None,
        ("elision filled",),
    ),
    "gap in both": (
        edit("    order = np.argsort(-load)\n    ...\n    return order", "    order = load\n    ...\n    return order"),
        PARENT.replace("np.argsort(-load)", "load"),
        ("elision filled",),
    ),
    "gap in REPLACE": (
        edit(
            LOOP + "\n    return order",
            "    for rank in range(3):\n        # ... existing code ...\n    return order\n    # end",
        ),
        PARENT.replace("    return order\n", "    return order\n    # end\n"),
        ("elision filled",),
    ),
    "unified diff": (
        "```diff\n--- a/plan.py\n+++ b/plan.py\n@@ -100,3 +100,3 @@\n import numpy as np\n \n-DECAY = 0.9\n+DECAY = 0.8\n```",
        SLOWER,
        ("unified diff",),
    ),
    "diff without headers": ("```diff\n-DECAY = 0.9\n+DECAY = 0.8\n```", SLOWER, ("unified diff",)),
    "diff without fence": (
        "--- plan.py\n+++ plan.py\n@@ ... @@\n-DECAY = 0.9\n+DECAY = 0.8\n\nMuch slower now.",
        SLOWER,
        ("unified diff",),
    ),
    "diff without context column": (
        "```diff\n    order = np.argsort(-load)\n-    for rank in range(3):\n+    for rank in range(5):\n        # Turn it round.\n```",
        LONGER,
        ("unified diff", "diff without context column"),
    ),
    "apply_patch": (
        "*** Begin Patch\n*** Update File: plan.py\n@@ def pack(load, counts):\n-    for rank in range(3):\n"
        "+    for rank in range(5):\n*** End Patch",
        LONGER,
        ("apply_patch",),
    ),
    "JSON edits": ('{"edits": [{"search": "DECAY = 0.9", "replace": "DECAY = 0.8"}]}', SLOWER, ("JSON",)),
    "JSON call": (
        fenced(
            '{"name": "edit", "arguments": {"command": "str_replace", "old_str": "range(3)", "new_str": "range(5)"}}',
            "json",
        ),
        LONGER,
        ("JSON", "part of a line"),
    ),
    "JSON call bare in prose": (f"I make it slower.\n\n{call('DECAY = 0.9', 'DECAY = 0.8')}\n\nSo.", SLOWER, ("JSON",)),
    "JSON calls in two fences": (
        fenced(call("DECAY = 0.9", "DECAY = 0.8"), "json") + "Then:\n" + fenced(call("range(3)", "range(5)"), "json"),
        BOTH,
        ("JSON",),
    ),
    "JSON calls on lines": (call("DECAY = 0.9", "DECAY = 0.8") + "\n" + call("range(3)", "range(5)"), BOTH, ("JSON",)),
    "JSON call in tags": (
        f"<tool_call>{call('DECAY = 0.9', 'DECAY = 0.8')}</tool_call>\n<tool_call>\n{call('range(3)', 'range(5)')}\n</tool_call>",
        BOTH,
        ("JSON",),
    ),
    "JSON arguments as text": (
        json.dumps({"tool_calls": [{"function": {"name": "edit", "arguments": call("DECAY = 0.9", "DECAY = 0.8")}}]}),
        SLOWER,
        ("JSON",),
    ),
    "JSON patch": (
        json.dumps({"cmd": ["apply_patch", f"{PATCH}\n{PATCH.replace('DECAY = 0.9', 'DECAY = 0.9')}"]}),
        SLOWER,
        ("JSON", "apply_patch"),
    ),
    "two patches": (
        f"{PATCH}\nand\n{PATCH.replace('DECAY = 0.9', '    for rank in range(3):').replace('DECAY = 0.8', '    for rank in range(5):')}",
        BOTH,
        ("apply_patch",),
    ),
    "diff without fence, rule after": (
        "--- a\n+++ b\n@@ -5 +5 @@\n-DECAY = 0.9\n+DECAY = 0.8\n\n---\n\nIt is slower.",
        SLOWER,
        ("unified diff",),
    ),
    "reasoning through HTML": (
        f"<think>\n{RANGE}</think>\n{DECAY}".replace("<", "&lt;").replace(">", "&gt;"),
        SLOWER,
        ("HTML entities",),
    ),
    "tags": ("<search>\nDECAY = 0.9\n</search>\n<replace>\nDECAY = 0.8\n</replace>", SLOWER, ("tagged edits",)),
    "empty SEARCH, whole": (edit("", SLOWER), SLOWER, ("empty search",)),
    "empty SEARCH, functions": (
        edit("", "def more(x):\n    return x")
        + edit("", "def extra(x):\n    return more(x)")
        + edit("    return slots", "    return extra(slots)"),
        None,
        ("empty search", "functions merged"),
    ),
    "helper beside edits": (
        edit("    return slots", "    return fix(slots)") + fenced("def fix(x):\n    return x"),
        None,
        ("functions merged",),
    ),
    "reasoning": (f"<think>\n{RANGE}</think>\n{DECAY}", SLOWER, ("reasoning",)),
    "reasoning not opened": (f"so {RANGE}\n</think>\n{DECAY}", SLOWER, ("reasoning",)),
    "reasoning not closed": (f"<think>\nso\n\n{DECAY}", SLOWER, ("reasoning",)),
    "channels": (
        f"<|channel|>analysis<|message|>{RANGE}<|end|><|start|>assistant<|channel|>final<|message|>{DECAY}<|return|>",
        SLOWER,
        ("reasoning", "control tokens"),
    ),
    "entities": (
        edit("DECAY = 0.9", "DECAY = 0.8").replace("<", "&lt;").replace(">", "&gt;"),
        SLOWER,
        ("HTML entities",),
    ),
    "smart quotes": (
        edit("DECAY = 0.9", "DECAY = float(“0.8”)"),
        PARENT.replace("0.9", 'float("0.8")'),
        ("typographic characters",),
    ),
    "in order": (
        edit("        order = order[::-1]", "        order = order[::-1]") + RANGE,
        LONGER,
        (),
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits(name: str) -> None:
    text, program, tolerated = EDITS[name]
    answer = read(text)
    if program is not None:
        assert answer.source == program
    assert set(tolerated) <= set(answer.tolerated), answer.tolerated
    assert answer.source != PARENT


WHOLE = {
    "fenced": (fenced(SLOWER), SLOWER, ()),
    "no language": (fenced(SLOWER, ""), SLOWER, ()),
    "tildes": (f"~~~\n{SLOWER}~~~", SLOWER, ()),
    "wrong language": (fenced(SLOWER, "javascript"), SLOWER, ("wrong language name",)),
    "unclosed": (f"Here:\n```python\n{SLOWER}", SLOWER, ("unclosed fence",)),
    "in a list": ("1. So:\n\n" + indented(fenced(SLOWER), "   "), SLOWER, ("indentation",)),
    "CODE tags": (f"<NAME>x</NAME>\n<CODE>\n{SLOWER}</CODE>", SLOWER, ("no fence",)),
    "no fence": (
        f"Sure! Here it is:\n\n{SLOWER}\nThis is better, as you don't wait.\nExplanation",
        SLOWER,
        ("no fence",),
    ),
    "prompts": ("".join(f">>> {line}\n" for line in SLOWER.split("\n")), SLOWER, ("prompts",)),
    "numbers with bars": (fenced(numbered(SLOWER, "{:3d} | {}")), SLOWER, ("line numbers",)),
    "numbers with colons": (fenced(numbered(SLOWER, "{}: {}")), SLOWER, ("line numbers",)),
    "quoted": (indented(SLOWER, "> "), SLOWER, ("quoted lines",)),
    "entities": (
        fenced(SLOWER.replace("0.8", "0.8 if 1 &lt; 2 else 0")),
        SLOWER.replace("0.8", "0.8 if 1 < 2 else 0"),
        ("HTML entities",),
    ),
    "mixed tabs": (fenced(SLOWER.replace("        order =", "\torder =")), SLOWER, ("tabs",)),
    "byte order mark": ("\ufeff" + SLOWER, SLOWER, ("unusual spaces",)),
    "smart quotes": (fenced("NAME = “a”\n" + SLOWER), 'NAME = "a"\n' + SLOWER, ("typographic characters",)),
    "escaped line ends": (fenced(SLOWER.strip().replace("\n", "\\n")), SLOWER, ("escaped line ends",)),
    "word before": ("```\npython\n" + SLOWER + "```", SLOWER, ("language name in the code",)),
    "prose in the fence": (
        fenced(f"Here is the code:\n\n{SLOWER}\nThis is good since it works."),
        SLOWER,
        ("chatter inside of a fence",),
    ),
    "fence in a docstring": (
        fenced(SLOWER.replace('"""Plan."""', '"""Plan.\n\n    ```\n    plan()\n    ```\n    """')),
        SLOWER.replace('"""Plan."""', '"""Plan.\n\n    ```\n    plan()\n    ```\n    """'),
        (),
    ),
    "given twice": (SLOWER + "\n" + SLOWER, SLOWER, ("given twice",)),
    "draft first": (fenced(LONGER) + "Wait, better:\n" + fenced(SLOWER), SLOWER, ("several blocks",)),
    "how to call it": (fenced(SLOWER) + fenced("print(plan(h, None, 3))"), SLOWER, ()),
    "what it prints": (fenced(SLOWER) + fenced("result: 3", "text"), SLOWER, ()),
    "diff that adds all": (fenced(indented(SLOWER, "+"), "diff"), SLOWER, ("unified diff",)),
    "JSON": ('{"code": ' + json.dumps(SLOWER) + "}", SLOWER, ("JSON",)),
    "program beside edits": (
        edit("nothing like this", "x") + fenced(SLOWER),
        SLOWER,
        ("program beside edits that failed",),
    ),
    "broken characters": (fenced(SLOWER.replace("DECAY = 0.8", "DECAY = \0\ud8000.8")), SLOWER, ("broken characters",)),
}


@pytest.mark.parametrize("wanted", Form)
@pytest.mark.parametrize("name", WHOLE)
def test_whole_programs(name: str, wanted: Form) -> None:
    text, program, tolerated = WHOLE[name]
    answer = read(text, wanted=wanted)
    assert answer.source == program
    assert set(tolerated) <= set(answer.tolerated), answer.tolerated


def test_whole_program_of_several_blocks() -> None:
    answer = read(
        fenced("import numpy as np\n\ndef half(x):\n    return x / 2")
        + fenced("def plan(history, previous, num_slots):\n    return half(np.ones(3))"),
        wanted=Form.WHOLE,
    )
    assert answer.form is Form.WHOLE
    assert answer.source.index("import numpy") < answer.source.index("def half") < answer.source.index("def plan")
    assert "forecast" not in answer.source


def test_later_function_replaces_that_of_the_program_before() -> None:
    answer = read(fenced(SLOWER) + fenced("def pack(load, counts):\n    return load"))
    assert "return load\n" in answer.source
    assert "DECAY = 0.8" in answer.source


def test_functions_are_merged_by_name() -> None:
    answer = read(
        fenced(
            "import math\n\nDECAY = 0.5\n\ndef pack(load, counts):\n    return half(load)\n\ndef half(x):\n    return x * math.pi"
        )
    )
    assert answer.form is Form.EDIT
    assert "functions merged" in answer.tolerated
    assert answer.source.startswith('"""Doc."""\n\nimport numpy as np\nimport math\n\nDECAY = 0.5\n')
    assert "def half" in answer.source
    assert "Greedy" not in answer.source
    assert "def forecast(history):" in answer.source


def test_quoting_the_parent_does_not_undo_a_change() -> None:
    start = PARENT.index("def pack")
    old = PARENT[start : PARENT.index("def plan")]
    answer = read(fenced("def pack(load, counts):\n    return load") + "Before it was:\n" + fenced(old))
    assert "Greedy" not in answer.source


@pytest.mark.parametrize(
    ("code", "program"),
    [
        ("import numpy as np\n\nDECAY = 0.8\n\n# ... rest of the code unchanged ...", SLOWER),
        (SLOWER.replace(LOOP, "    # ... existing code ..."), SLOWER),
        (SLOWER[: SLOWER.index("    load = f")] + "    # unchanged", SLOWER),
        (SLOWER[: SLOWER.index("    load = f")] + "    ...", SLOWER),
    ],
)
def test_gaps_are_filled_from_the_parent(code: str, program: str) -> None:
    for wanted in Form:
        assert read(fenced(code), wanted=wanted).source == program


def test_comment_of_the_parent_is_no_gap() -> None:
    parent = PARENT.replace("# Turn it round.", "# ... rest unchanged ...")
    assert read(fenced(parent.replace("0.9", "0.8")), parent=parent).source == parent.replace("0.9", "0.8")


DECAY_CALLS = call("DECAY = 0.9", "DECAY = 0.8") + "\n" + call("range(3)", "range(5)")
REFUSED = {
    "empty": ("  \n", "empty"),
    "refusal": ("I'm sorry, I cannot help with that.", "no program and no edit"),
    "same program": (fenced(PARENT), "changes nothing"),
    "same edit": (edit("DECAY = 0.9", "DECAY = 0.9"), "changes nothing"),
    "not found": (edit("    weights = np.ones(len(history))", "    x"), "10 |     weights = DECAY"),
    "number cut": (edit("DECAY = 0", "DECAY = 1"), "not in the program"),
    "one of two not found": (DECAY + edit("nothing at all like it", "x"), "None of the edits was applied"),
    "overlap": (
        edit(
            "    load = forecast(history)\n    slots = pack(load, num_slots)",
            "    load = forecast(history)\n    slots = 3",
        )
        + edit("    slots = pack(load, num_slots)\n    return slots", "    return 3"),
        "overlaps edit 1",
    ),
    "conflict": (DECAY + edit("DECAY = 0.9", "DECAY = 0.7"), "overlaps edit 1"),
    "no parse": (edit("    return slots", "    return (slots"), "'return (slots'"),
    "program without entry": (edit("def plan(history", "def other(history"), "does not define the function plan"),
    "cut program": ("```python\n" + SLOWER[:-30], "cut off"),
    "cut edit": (DECAY.replace(">>>>>>> REPLACE\n", ""), "cut off in edit 1"),
    "cut after SEARCH": ("<<<<<<< SEARCH\nDECAY = 0", "cut off"),
    "edit cut by prose": (
        edit("    slots = pack(load, num_slots)\n    return slots", "    slots = pack(load, 3)\n    ret").replace(
            ">>>>>>> REPLACE", "\nThis is all that there is."
        ),
        "cut off in the edit of plan",
    ),
    "cut function": ("```python\ndef pack(load, counts):\n    return load", "cut off in pack"),
    "cut program that parses": ("```python\n" + SLOWER[:-17], "cut off in plan"),
    "cut program without fence": (SLOWER[: SLOWER.index("    slots = ") + 17], "stops making sense"),
    "broken function without fence": (SLOWER.replace("range(3)", "range(3"), "stops making sense"),
    "cut patch": (PATCH.replace("\n*** End Patch", ""), "cut off in the patch"),
    "cut numbered diff": ("```diff\n@@ -5,2 +5,3 @@\n-DECAY = 0.9\n+DECAY = 0.8\n", "cut off in hunk 1"),
    "cut call": (call("DECAY = 0.9", "DECAY = 0.8")[:-9], "does not decode"),
    "one of two calls cut": (DECAY_CALLS[:-20], "does not decode"),
    "first call without brace": (DECAY_CALLS[1:], "does not decode"),
    "calls and a program": (call("range(3)", "range(5)") + "\n" + json.dumps({"code": SLOWER}), "not clear"),
    "edit without first marker": (DECAY.replace("<<<<<<< SEARCH\n", "") + RANGE, "no <<<<<<< SEARCH"),
    "only the program's own name imported": (
        "```python\nimport numpy as np\nfrom seed import plan\n\nx = (",
        "no program",
    ),
    "function that nothing uses": (fenced("import math\n\ndef gap(x):\n    return math.pi * x"), "never uses"),
    "edit that adds what nothing uses": (edit("DECAY = 0.9", "DECAY = 0.9\n\ndef gap(x):\n    return x"), "never uses"),
    "broken program": (fenced(SLOWER.replace("argsort(-load)", "argsort(-load")), "line 16"),
    "gap between new lines": (
        fenced("def pack(load, counts):\n    first = 1\n    # ... existing code ...\n    return first"),
        "leaves code out",
    ),
    "gap in a new function": (
        fenced("def fresh(x):\n    # unchanged\n\n" + SLOWER[SLOWER.index("def plan") :]),
        "no fresh",
    ),
    "nothing after SEARCH": ("<<<<<<< SEARCH\nDECAY = 0.9\n>>>>>>> REPLACE", "no ======="),
    "too many edits": (DECAY * 201, "more than 200"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(AnswerError) as raised:
        read(text)
    assert reason in str(raised.value)
    assert len(str(raised.value)) <= 1_500


CUT = {
    "edits": DECAY,
    "edits in a fence": f"```\n{DECAY}```",
    "edits and prose": f"{DECAY}\nThis makes it slow",
    "program": fenced(SLOWER),
    "patch": PATCH,
    "diff": fenced("@@ -5 +5 @@\n-DECAY = 0.9\n+DECAY = 0.8", "diff"),
    "call": call("DECAY = 0.9", "DECAY = 0.8"),
}
CUT_REFUSED = {
    "program": f"```python\n{SLOWER}",
    "program without fence": SLOWER,
    "diff": "```diff\n@@ -5 +5 @@\n-DECAY = 0.9\n+DECAY = 0.8",
    "diff without fence": "--- a\n+++ b\n@@ -5 +5 @@\n-DECAY = 0.9\n+DECAY = 0.8",
    "edit begun": f"{DECAY}\n<<<<<<",
    "call begun": f"{call('DECAY = 0.9', 'DECAY = 0.8')}\n{{",
    "call begun in a fence": f"{fenced(call('DECAY = 0.9', 'DECAY = 0.8'), 'json')}```json\n{{\n",
    "reasoning": f"<think>\nPerhaps this:\n{DECAY}",
}


@pytest.mark.parametrize("name", CUT)
def test_answer_known_to_be_cut_is_read_where_all_is_closed(name: str) -> None:
    answer = read_answer(CUT[name], parent=PARENT, entry="plan", wanted=Form.EDIT, cut=True)
    assert answer.source == SLOWER


@pytest.mark.parametrize("name", CUT_REFUSED)
def test_answer_known_to_be_cut_is_refused_where_its_end_is_open(name: str) -> None:
    text = CUT_REFUSED[name]
    with pytest.raises(AnswerError):
        read_answer(text, parent=PARENT, entry="plan", wanted=Form.EDIT, cut=True)
    if "begun" not in name:
        assert read(text).source == SLOWER


def test_ambiguous_text_names_the_lines() -> None:
    parent = PARENT.replace("    load = forecast(history)\n", "    load = forecast(history)\n    load += 1\n").replace(
        "    return slots", "    load += 1\n    return slots"
    )
    with pytest.raises(AnswerError, match=r"2 places \(lines 26, 28\)"):
        read(edit("    load += 1", "    load += 2"), parent=parent)
    both = read(edit("    load += 1", "    load += 2") * 2, parent=parent)
    assert both.source == parent.replace("load += 1", "load += 2")
    between = edit("    load = forecast(history)", "    load = history[-1]") + edit("    load += 1", "    load += 2")
    between += edit("    slots = pack(load, num_slots)", "    slots = load")
    assert read(between, parent=parent).source.count("load += 1") == 1


def test_text_outside_of_the_regions_stays() -> None:
    def inside(text: str) -> Answer:
        return read(text, parent=TEMPLATE, template=TEMPLATE)

    slower = TEMPLATE.replace("0.9", "0.8")
    longer = TEMPLATE.replace('"""Doc."""', '"""Doc.\n\nMore of it.\n"""')
    spaced = fenced(longer.replace("More of it.", "More of it.  ").replace("0.9", "0.8"))
    assert read(spaced, parent=longer, template=longer).source == longer.replace("0.9", "0.8")
    assert inside(DECAY).source == slower
    assert inside(DECAY + edit("    return slots", "    return slots")).source == slower
    assert inside(fenced(SLOWER)).source == slower
    commented = inside(fenced(slower.replace("return slots", "return slots  # done")))
    assert commented.source == slower
    assert "frozen text restored" in commented.tolerated
    new = inside(
        fenced("import math\n\ndef pack(load, counts):\n    return fresh(load)\n\ndef fresh(x):\n    return math.pi")
    )
    assert (
        new.source.index("EVOLVE-BLOCK-START") < new.source.index("import math") < new.source.index("EVOLVE-BLOCK-END")
    )
    for text in (edit("    return slots", "    return 1"), fenced(slower.replace("return slots", "return 1"))):
        with pytest.raises(AnswerError, match="outside the marked regions"):
            inside(text)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("Slower.\n\n" + call("DECAY = 0.9", "DECAY = 0.8"), "Slower."),
        ("SUMMARY: slower decay\n" + DECAY, "slower decay"),
        ("**Summary:** Slower\u0007 `DECAY`\n" + DECAY, "Slower `DECAY`"),
        (DECAY + "\nSUMMARY: slower", "slower"),
        ("<NAME>\nslow\n</NAME>\n<DESCRIPTION>\nA slower\ndecay.\n</DESCRIPTION>\n" + DECAY, "slow: A slower decay."),
        ("Sure! I make it slower. And so on.\n\n" + fenced(SLOWER), "I make it slower."),
        ('{"summary": "slow", "search": "DECAY = 0.9", "replace": "DECAY = 0.8"}', "slow"),
        ("SUMMARY: " + "long " * 100 + "\n" + DECAY, ("long " * 100)[:197] + "..."),
        (DECAY, ""),
    ],
)
def test_summary(text: str, summary: str) -> None:
    answer = read(text)
    assert answer.source == SLOWER
    assert answer.summary == summary


def test_paradigm() -> None:
    assert read(f"PARADIGM: annealing\n{DECAY}").paradigm == "annealing"
    assert read(f"{SLOWER}\nSUMMARY: faster\nPARADIGM: greedy").paradigm == "greedy"
