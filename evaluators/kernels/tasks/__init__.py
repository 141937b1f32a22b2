"""The kernel problems: shapes of real models, contents, references, error budgets and what to compare with.

May import torch in the modules that a task calls upon (`laws`, `errors`, ``*_judge``, ``*_spoils``, ``*_columns``);
those that bear a problem's name, and `sizes`, import none, so that shapes can be listed without it.
"""
