"""The tolerant reader of what language models answer: edits or programs in, one checked program out.

`read_answer` puts up with every departure from the asked format whose meaning is clear, names each in
`Answer.tolerated`, and refuses the rest with an `AnswerError` that is written for the model. It never runs
a program and never applies a part of an answer.
"""

from evolve.proposers.llm.answers.model import Answer, AnswerError, Form
from evolve.proposers.llm.answers.reading import read_answer

__all__ = ["Answer", "AnswerError", "Form", "read_answer"]
