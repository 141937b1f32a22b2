"""Short names for whatever defines what a score means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def facts_digest(facts: Mapping[str, object], *, compact: bool = False) -> str:
    """16 hexadecimal digits over facts, whatever their order.

    Args:
        facts: values that JSON can hold.
        compact: written without spaces and with finite numbers alone, as some digests have been from the first.
    """
    if compact:
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    else:
        text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
