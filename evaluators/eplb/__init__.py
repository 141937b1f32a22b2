"""Expert parallelism load balancing: which expert sits in which slot, window after window, under drift."""
