"""Derives workload seeds from a run's secret.

The secret never enters a sandbox, a prompt, a log or an export: whoever knows it can compute every input.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from evaluators.model import Split

SECRET_BYTES = 32


def draw_secret() -> bytes:
    """Draw a new 256-bit secret from the operating system."""
    return secrets.token_bytes(SECRET_BYTES)


def secret_from_seed(seed: int, problem: str) -> bytes:
    """A reproducible secret for judging without a run; whoever knows the seed knows the inputs."""
    return hashlib.sha256(f"evolve:{problem}:{seed}".encode()).digest()


def workload_seed(secret: bytes, split: Split, block: int) -> bytes:
    """Seed of one block of workloads: HMAC-SHA256 of split and block under the secret, 32 bytes."""
    return hmac.new(secret, f"workloads:{split.value}:{block}".encode(), hashlib.sha256).digest()


def timing_seed(secret: bytes, workload: str, source: str) -> bytes:
    """Seed of what a timed program must not foresee, warm-up and order of calls: HMAC-SHA256, 32 bytes."""
    digest = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()
    return hmac.new(secret, f"timing:{digest}:{workload}".encode(), hashlib.sha256).digest()
