import os

from recsys_unlearn.cli.environment import DEFAULTS, prepare


def test_what_the_user_has_not_set_is_set(monkeypatch):
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    prepare()
    assert {name: os.environ[name] for name in DEFAULTS} == DEFAULTS


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    prepare()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
