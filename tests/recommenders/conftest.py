"""One of each kind of recommender, fitted to the tiny world of tastes, for the laws that all of them keep."""

from dataclasses import fields

import pytest

from recommenders.kinds import KINDS

QUICK = {"dim": 8, "epochs": 2, "batch_size": 128, "negatives": 16}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def options(kind):
    known = {field.name for field in fields(kind.options_type)}
    return kind.options_type(**{name: value for name, value in QUICK.items() if name in known})


@pytest.fixture
def fitted(kind, options, train):
    return kind(options).fit(train)


@pytest.fixture
def saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    return tmp_path / "model"
