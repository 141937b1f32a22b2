import pytest

from evaluators.foreign.config import TaskConfig, read_config
from evaluators.problem import ProblemError


def test_without_a_file_the_defaults_are_those_of_openevolve():
    found = TaskConfig()
    assert (found.timeout_seconds, found.cascade, found.thresholds) == (300.0, True, (0.5, 0.75, 0.9))


def test_reads_what_concerns_the_task_and_leaves_the_rest(tmp_path):
    path = tmp_path / "config.yaml"
    text = b"""
max_iterations: 40
llm: {primary_model: any, api_key: "${KEY}"}
prompt: {system_message: "  Pack circles. "}
database: {feature_dimensions: [score, size]}
evaluator: {timeout: 20, cascade_evaluation: false, cascade_thresholds: [0.1], memory_limit_mb: 512, cpu_limit: 1.5}
diff_based_evolution: true
"""
    assert read_config(path, text) == TaskConfig(
        timeout_seconds=20.0,
        cascade=False,
        thresholds=(0.1,),
        memory_bytes=512 << 20,
        processors=2,
        features=("score", "size"),
        system_message="Pack circles.",
        iterations=40,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file_suffix: .cpp", "asks for programs in '.cpp'; only tasks whose programs are Python"),
        ("language: rust", "asks for programs in 'rust'; only tasks whose programs are Python"),
        ("evaluator: {use_llm_feedback: true}", "a model would be part of the score"),
        ("evaluator: {timeout: soon}", "evaluator.timeout must be a number above 0, not 'soon'"),
        ("evaluator: {timeout: -1}", "must be a number above 0"),
        ("evaluator: {cascade_thresholds: 0.5}", "must be a list of numbers"),
        ("evaluator: [1]", "must hold settings by name"),
        ("- 1", "must hold settings by name"),
        ("a: [", "cannot be read"),
        ("a: " + "[" * 5000, "cannot be read"),
        ("max_iterations: " + "9" * 400, "max_iterations must be at most 1e+12, not 99"),
        ("max_iterations: " + "9" * 5000, "cannot be read"),
        ("a: 2020-13-45", "cannot be read"),
        ("evaluator: {cascade_thresholds: [1" + "0" * 400 + "]}", "must be a list of numbers"),
        ('language: "\\e[31mrust"', "asks for programs in '\\x1b[31mrust'"),
        ("a: !!python/object/apply:os.system [ls]", "cannot be read"),
    ],
)
def test_says_in_a_sentence_what_cannot_be_had(tmp_path, text, reason):
    path = tmp_path / "config.yaml"
    with pytest.raises(ProblemError) as caught:
        read_config(path, text.encode())
    assert reason in str(caught.value)
