from __future__ import annotations

from pathlib import Path

import pytest

from evolve.config import Config, ConfigError, resolve


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def toml(tmp_path: Path, text: str) -> str:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return str(path)


def test_flags_beat_environment_beats_toml_beats_defaults(tmp_path: Path) -> None:
    file = toml(tmp_path, 'seed = 1\nworkers = 3\npool = "serial"\n')
    config = resolve({"seed": "3"}, {"EVOLVE_SEED": "2", "EVOLVE_WORKERS": "4"}, file)
    assert (config["seed"], config["workers"], config["pool"], config["selector"]) == (
        3,
        4,
        "serial",
        "adaptive",
    )
    assert config.origin["seed"] == "flag --seed"
    assert config.origin["workers"] == "environment EVOLVE_WORKERS"
    assert config.origin["pool"].startswith(file)
    assert config.origin["selector"] == "default"


def test_tool_table_and_this_folders_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.evolve]\ntime = "90s"\n[tool.other]\nx = 1\n')
    assert resolve({}, {}, None)["time"] == 90.0


def test_three_minutes_unless_something_else_is_said() -> None:
    def seconds(config: Config) -> float | None:
        return config.budget.seconds

    assert seconds(resolve({}, {}, None)) == 180.0
    assert seconds(resolve({"evaluations": "5"}, {}, None)) is None
    assert seconds(resolve({"time": "1h"}, {}, None)) == 3600.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sed = 1", ["unknown key 'sed'", "did you mean 'seed'"]),
        ("seed = -1", ["key seed", "'-1' is not a whole number of at least 0"]),
        ('seed = "many"', ["'many' is not a whole number"]),
        ('pool = "rya"', ["'rya' is not one of ray, serial", "did you mean 'ray'"]),
        ('time = "soon"', ["'soon' is not a duration"]),
        ("workers = 0", ["at least 1"]),
        ("seed = true", ["must be text or a number"]),
        ('name = "a b"', ["is not a name"]),
        ("seed =", ["is not TOML"]),
    ],
)
def test_bad_settings_are_named_with_a_hint(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({}, {}, toml(tmp_path, text))
    for word in [*words, "hint:"]:
        assert word in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot read nowhere\.toml"):
        resolve({}, {}, "nowhere.toml")


def test_a_mistyped_variable_is_refused_and_a_foreign_one_is_not() -> None:
    with pytest.raises(ConfigError, match="did you mean EVOLVE_WORKERS"):
        resolve({}, {"EVOLVE_WORKRES": "2"}, None)
    assert resolve({}, {"EVOLVE_TRACES": "/somewhere"}, None)["workers"] is None


@pytest.mark.parametrize("key", ["base_url", "api_key_file", "models_file"])
def test_where_keys_go_is_not_taken_from_a_file_that_nobody_named(tmp_path: Path, key: str) -> None:
    value = "http://127.0.0.1:9/v1"
    (tmp_path / "pyproject.toml").write_text(f'[tool.evolve]\n{key} = "{value}"\n')
    with pytest.raises(ConfigError, match="a file that nobody named") as caught:
        resolve({}, {}, None)
    assert "--config" in str(caught.value)
    assert resolve({}, {}, str(tmp_path / "pyproject.toml"))[key] == value


def test_a_cap_for_models_is_no_limit_where_none_writes() -> None:
    assert resolve({"proposer": "operators", "cost": "3"}, {}, None).budget.seconds == 180.0
    assert resolve({"model": "m", "cost": "3"}, {}, None).budget.seconds is None
    assert resolve({}, {"EVOLVE_TOKENS": "9"}, None).budget.seconds == 180.0


@pytest.mark.parametrize(
    ("flags", "environ", "proposer"),
    [
        ({}, {}, "operators"),
        ({}, {"OPENAI_API_KEY": "k"}, "llm"),
        ({}, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "llm"),
        ({"model": "m"}, {}, "llm"),
        ({"replay": "r"}, {"OPENAI_API_KEY": "k"}, "replay"),
        ({"proposer": "operators"}, {"OPENAI_API_KEY": "k"}, "operators"),
    ],
)
def test_a_key_an_address_or_a_model_makes_models_write(
    flags: dict[str, str], environ: dict[str, str], proposer: str
) -> None:
    assert resolve(flags, environ, None)["proposer"] == proposer


def test_candidates_are_a_limit_of_their_own() -> None:
    budget = resolve({"candidates": "40"}, {}, None).budget
    assert (budget.candidates, budget.evaluations, budget.seconds) == (40, None, None)


def test_several_names_are_checked_one_by_one_and_kept_once() -> None:
    assert resolve({"without": "tuner, racing,tuner"}, {}, None)["without"] == "tuner,racing"
    assert resolve({"selector": "beam,adaptive"}, {}, None)["selector"] == "beam,adaptive"
    with pytest.raises(ConfigError, match=r"'tunner' is not one of .*did you mean 'tuner'"):
        resolve({"without": "racing,tunner"}, {}, None)
    with pytest.raises(ConfigError, match="'best' is not one of adaptive"):
        resolve({"selector": "adaptive,best"}, {}, None)
