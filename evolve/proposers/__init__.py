"""Proposers: each writes candidate programs in its own way, behind the protocol `evolve.proposal.Proposer`."""
