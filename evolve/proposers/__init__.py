"""Proposers: each writes candidate programs in its own way.

Those that answer at once are a `evolve.proposal.Proposer` (`operators`, `replay`); those that take their time have a
desk of their own (`llm`), as programs from outside have (`evolve.external`). `evolve.desks` chooses.
"""
