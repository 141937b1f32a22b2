"""Tunes the constants that programs mark with ``# tune:``, in their own ranges, from what the run has measured."""
