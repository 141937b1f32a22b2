"""The kernel problems: shapes of real models, contents, references, error budgets and what to compare with.

May import torch in the modules that a task calls upon (`laws`, `errors`, ``*_judge``, ``*_spoils``, ``*_columns``);
`topk_gating`, `moe_combine` and `sizes` themselves import none, so that shapes can be listed without it.
"""
