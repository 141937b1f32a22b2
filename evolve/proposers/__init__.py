"""Proposers: each writes candidate programs in its own way, behind `evolve.proposal.Proposer`."""
