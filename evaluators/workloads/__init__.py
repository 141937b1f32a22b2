"""Streams of expert loads and routes of tokens: calibrated generators, the project's own traces, readers for others."""
