"""What can go wrong between us and a model's server, as far as a caller must tell it apart."""

from __future__ import annotations


class ChatError(RuntimeError):
    """This request failed for good; others may succeed."""


class ContextOverflowError(ChatError):
    """The prompt is too long for the model; a shorter one may do."""


class RefusedError(ChatError):
    """The model, or a filter before or behind it, refused to answer."""


class ProviderError(RuntimeError):
    """No request to this server or model can succeed; the message names it and says how to mend that."""
