"""The GPU judge: a trusted process of its own replays recorded launches on its own buffers, checks and times them.

`client` is what a worker uses and `protocol` what travels; both import without torch and without a GPU. All else runs
inside the process, in torch's primary context, and never imports a candidate. Names: `Gpu`, `Request`, `Measurement`.
"""
