"""Tiny worlds with a known structure, and recommenders trained on them once per session."""

import os
import resource
import signal

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # before numpy and torch are imported
os.environ["RECSYS_UNLEARN_DEVICE"] = "cpu"  # tests compare bytes, and look at tables while they train

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from recsys_unlearn.interactions.contract import Interactions  # noqa: E402
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions  # noqa: E402

torch.set_num_threads(1)

TINY = {"dim": 8, "negatives": 24, "batch_size": 128, "epochs": 12, "learning_rate": 0.03, "seed": 5}


@pytest.fixture(scope="session")
def tastes() -> Interactions:
    """72 user rows × 40 items in 4 tastes; items of a taste have falling popularity; 12 strangers.

    Rows 60 to 71 are strangers: their interactions are drawn in the same way and belong to no training.
    """
    draw = np.random.default_rng(7)
    users, items = [], []
    for user in range(72):
        appeal = (0.05 + (np.arange(40) % 4 == user % 4)) / (1 + np.arange(40) // 4)
        chosen = draw.choice(40, 10, replace=False, p=appeal / appeal.sum())
        users += [user] * len(chosen)
        items += chosen.tolist()
    return Interactions.from_pairs(users, items, n_users=72, n_items=40)


@pytest.fixture(scope="session")
def train(tastes) -> Interactions:
    """Interactions of the 60 members."""
    return tastes.without_users(range(60, 72))


@pytest.fixture(scope="session")
def strangers(tastes) -> Interactions:
    """Interactions of the 12 users whom no training sees."""
    return tastes.of_users(range(60, 72))


@pytest.fixture(scope="session")
def spherical(train) -> Factorization:
    """Trained with cosine similarity."""
    return Factorization(FactorizationOptions(similarity="cosine", **TINY)).fit(train)


@pytest.fixture(scope="session")
def free(train) -> Factorization:
    """Trained with the plain inner product."""
    return Factorization(FactorizationOptions(similarity="dot", **TINY)).fit(train)


@pytest.fixture(params=["cosine", "dot"])
def trained(request, spherical, free) -> Factorization:
    """Each of the two in turn."""
    return {"cosine": spherical, "dot": free}[request.param]


@pytest.fixture
def small_files():
    """No file of this process grows beyond 1 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)
