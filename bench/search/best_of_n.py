"""The baseline: ask for as many programs as the budget allows, each from the initial one, and keep the highest score.

    python bench/search/best_of_n.py --initial FILE --statement FILE --proposer-url URL/v1 --referee-url URL --out DIR

Takes the same options as the adapters in `bench/peers` and leaves the same files: ``leader.py`` and ``leader.json``.
An answer without a program is asked for again; it costs nothing, as it does for the others.
"""

from __future__ import annotations

import argparse
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

PROMPT = """{statement}

# The program to improve

```python
{program}
```

Write an improved version of this program. Answer with the whole program in one ```python block.
"""
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PATIENCE = 300.0


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post JSON and read JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        read: dict[str, Any] = json.load(response)
        return read


def ask(proposer_url: str, prompt: str) -> str:
    """The program in an answer."""
    answer = post(
        f"{proposer_url}/chat/completions", {"model": "proposer", "messages": [{"role": "user", "content": prompt}]}
    )
    blocks = _BLOCK.findall(answer["choices"][0]["message"]["content"])
    return str(blocks[-1]) if blocks else ""


def best_of_n(
    initial: str, statement: str, proposer_url: str, referee_url: str, proposals: int
) -> tuple[str, float | None]:
    """The program with the highest score of all, and that score."""
    prompt = PROMPT.format(statement=statement.strip(), program=initial.strip())
    leader, reported = initial, post(f"{referee_url}/evaluate", {"program": initial})["score"]
    judged = 0
    for _ in range(2 * proposals):
        program = ask(proposer_url, prompt)
        if not program:
            continue
        score = post(f"{referee_url}/evaluate", {"program": program})["score"]
        if score is not None and (reported is None or score > reported):
            leader, reported = program, score
        judged += 1
        if judged == proposals:
            break
    return leader, reported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--initial", type=Path, required=True)
    parser.add_argument("--statement", type=Path, required=True)
    parser.add_argument("--proposer-url", required=True)
    parser.add_argument("--referee-url", required=True)
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="not used: the proposer has its own")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    initial, statement = (file.read_text(encoding="utf-8") for file in (options.initial, options.statement))
    leader, reported = best_of_n(initial, statement, options.proposer_url, options.referee_url, options.proposals)
    (options.out / "leader.py").write_text(leader, encoding="utf-8")
    (options.out / "leader.json").write_text(json.dumps({"reported": reported}), encoding="utf-8")


if __name__ == "__main__":
    main()
