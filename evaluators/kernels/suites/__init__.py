"""The built-in kernel problems, each a ``make_problem``."""
