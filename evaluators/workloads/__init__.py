"""Streams of expert loads: a calibrated generator and readers for public traces."""
