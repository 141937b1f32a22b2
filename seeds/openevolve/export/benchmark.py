"""Says how MODULE is scored: its score was reported by the task's own evaluator, and nothing here can check it."""

print("MODULE's score was reported by the task, not by a judge of evolve's; README.md says how to evaluate it again")
