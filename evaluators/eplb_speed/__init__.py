"""Expert parallelism load balancing as a race: a plan as good as DeepSeek's for the given load, as fast as possible."""
