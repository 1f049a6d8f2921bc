"""Random SIGKILL over deletions, trainings, purges, nights, ingests: nothing corrupt, lost or back again."""

import os
import shutil

import pytest

from reliability.faults import SCRATCH
from reliability.soaking import Soak, seed

FEW, MANY = 3, int(os.environ.get("RELIABILITY_KILLS", "1000"))


@pytest.fixture
def place(room):
    """An empty workspace, with a directory for temporary files beside it."""
    root = room / "soak" / "workspace"
    (root.parent / SCRATCH).mkdir(parents=True)
    root.mkdir()
    yield root
    shutil.rmtree(root.parent)


@pytest.mark.slow
def test_a_few_kills_and_nothing_is_lost(forks, place):
    soak = Soak(forks, place, seed())
    soak.run(FEW)
    assert soak.kills.total() == FEW


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_thousand_kills_and_nothing_is_lost(forks, place):
    soak = Soak(forks, place, seed())
    soak.run(MANY)
    print(f"{soak.kills.total()} kills {dict(soak.kills)}, {len(soak.gone)} users erased")
