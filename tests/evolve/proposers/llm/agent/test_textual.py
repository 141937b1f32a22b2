"""Tool calls in plain text, in the forms that models write."""

from __future__ import annotations

import json
import time

import pytest

from evolve.proposers.llm.agent.textual import MOST_CALLS, read_calls

CODE = 'def answer(size):\n    """Hold ``` and {"name": "x"}."""\n    return [size, "\\n"]\n'
PARENT = "def answer(size):\n    return 0\n"


def _read(text: str) -> list[tuple[str, object]]:
    return [(call.name, json.loads(call.arguments)) for call in read_calls(text, PARENT)]


@pytest.mark.parametrize(
    "text",
    [
        '```tool\n{"name": "inspect", "arguments": {"candidate": 2}}\n```',
        '```json\n{"name": "inspect", "arguments": {"candidate": 2}}\n```',
        '```\n{"tool": "inspect", "parameters": {"candidate": 2}}\n```',
        '```tool_call\n{"name": "inspect", "candidate": 2}\n```',
        "```tool\n{'name': 'inspect', 'arguments': {'candidate': 2,},}\n```",
        '```tool\n{"name": "inspect", "arguments": {"candidate": 2,},}\n```',
        '```tool\n{"name": "inspect", "arguments": "{\\"candidate\\": 2}"}',
        '```json\n[{"type": "function", "function": {"name": "inspect", "arguments": {"candidate": 2}}}]\n```',
        '<tool_call>\n{"name": "inspect", "arguments": {"candidate": 2}}\n</tool_call>',
        '<tool_call>{"name": "inspect", "arguments": {"candidate": 2}}',
        '<tool_call>\n```json\n{"name": "inspect", "arguments": {"candidate": 2}}\n```\n</tool_call>',
        "<tool_call>\n<function=inspect>\n<parameter=candidate>\n2\n</parameter>\n</function>\n</tool_call>",
        '<function=inspect>{"candidate": 2}</function>',
        '[TOOL_CALLS] [{"name": "inspect", "arguments": {"candidate": 2}}]',
        '<|python_tag|>{"name": "inspect", "parameters": {"candidate": 2}}',
        '{"name": "inspect", "arguments": {"candidate": 2}}',
        'Action: {"name": "inspect", "arguments": {"candidate": 2}}',
        '<think>\n```tool\n{"name": "top", "arguments": {}}\n```\n</think>\n'
        '```tool\n{"name": "inspect", "arguments": {"candidate": 2}}\n```',
    ],
)
def test_every_form_gives_the_same_call(text: str) -> None:
    (call,) = read_calls(f"{text}", PARENT)
    arguments = json.loads(call.arguments)
    assert (call.name, int(arguments["candidate"])) == ("inspect", 2)


def test_programs_stand_in_blocks_after_their_calls() -> None:
    text = (
        'First.\n\n```tool\n{"name": "evaluate", "arguments": {}}\n```\n\n'
        f"```python\n{CODE}```\n\nThen.\n\n"
        '```tool\n{"name": "top", "arguments": {}}\n```\n'
        '```tool\n{"name": "submit", "arguments": {"summary": "s"}}\n```\n'
        "```\n<<<<<<< SEARCH\n    return 0\n=======\n    return 1\n>>>>>>> REPLACE\n```\n"
    )
    edits = "<<<<<<< SEARCH\n    return 0\n=======\n    return 1\n>>>>>>> REPLACE\n"
    assert _read(text) == [
        ("evaluate", {"program": CODE}),
        ("top", {}),
        ("submit", {"summary": "s", "edits": edits}),
    ]


def test_a_program_before_its_call_or_inside_its_tags() -> None:
    before = f'```python\n{CODE}```\n\n```tool\n{{"name": "submit", "arguments": {{"summary": "s"}}}}\n```\n'
    assert _read(before) == [("submit", {"summary": "s", "program": CODE})]
    xml = f"<tool_call><function=evaluate>\n<parameter=program>\n{CODE}</parameter>\n</function></tool_call>"
    assert _read(xml) == [("evaluate", {"program": CODE.rstrip("\n")})]
    quoted = (
        f"<tool_call>{json.dumps({'name': 'evaluate', 'arguments': {'program': CODE + '# </tool_call>'}})}</tool_call>"
    )
    assert _read(quoted) == [("evaluate", {"program": CODE + "# </tool_call>"})]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No call at all.",
        f"```python\n{CODE}```",
        '```json\n{"name": "box", "arguments": {}}\n```',
        '{"program": "x"}',
        "evaluate(program)",
    ],
)
def test_what_is_no_call(text: str) -> None:
    assert _read(text) == []


def test_an_unreadable_call_is_one_without_a_name() -> None:
    (call,) = read_calls("```tool\nevaluate it\n```", PARENT)
    assert (call.name, call.arguments) == ("", "evaluate it")
    assert _read('```tool\n{"name": "dance", "arguments": {}}\n```') == [("dance", {})]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>{" * 30_000,
        "[TOOL_CALLS] [" * 30_000,
        "<function=evaluate><parameter=program>" * 10_000,
        '```tool\n{"name": "top", "arguments": {}}\n```\n' * 5_000,
        "```tool\n" + "[" * 300_000,
        '{"name": "evaluate", "arguments": ' * 20_000,
    ],
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    begun = time.process_time()
    assert len(read_calls(text, PARENT)) <= MOST_CALLS
    assert time.process_time() - begun < 20, "a bound that only quadratic work can pass"
