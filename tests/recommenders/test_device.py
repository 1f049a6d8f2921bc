"""Where training takes place: who decides, and that nothing of a step is left elsewhere."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from recsys_unlearn.errors import ConfigError
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders import embedding_tables, light_gcn
from recsys_unlearn.recommenders.device import VARIABLE, training_device
from recsys_unlearn.recommenders.factorization import Factorization
from recsys_unlearn.recommenders.light_gcn import LightGcn
from recsys_unlearn.recommenders.two_tower import TwoTower

SMALL = {"dim": 8, "negatives": 24, "batch_size": 128, "epochs": 12, "learning_rate": 0.03, "seed": 5}
KINDS = pytest.mark.parametrize("kind", [Factorization, LightGcn, TwoTower], ids=lambda kind: kind.name)


@pytest.fixture
def machine(monkeypatch):
    """Say whether the machine has a GPU; what the tests themselves run on does not count."""
    monkeypatch.delenv(VARIABLE)
    return lambda has: monkeypatch.setattr(torch.cuda, "is_available", lambda: has)


# --- who decides ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("has_gpu", "expected"), [(True, "cuda"), (False, "cpu")])
def test_the_machine_decides(machine, has_gpu, expected):
    machine(has_gpu)
    assert training_device() == torch.device(expected)


@pytest.mark.parametrize(("wanted", "expected"), [("cpu", "cpu"), ("", "cuda")])
def test_the_environment_overrules_it(machine, monkeypatch, wanted, expected):
    machine(True)
    monkeypatch.setenv(VARIABLE, wanted)
    assert training_device() == torch.device(expected)


@pytest.mark.parametrize("wanted", ["CPU", "cuda", "gpu"])
def test_the_environment_may_say_nothing_else(machine, monkeypatch, wanted):
    machine(False)
    monkeypatch.setenv("RECSYS_UNLEARN_DEVICE", wanted)
    with pytest.raises(ConfigError, match=f"^RECSYS_UNLEARN_DEVICE is '{wanted}': set it to cpu, or leave"):
        training_device()


# --- everything moves ----------------------------------------------------------------------------


class OneDevice(TorchDispatchMode):
    """Refuse every operation on tensors of two devices, but for copies; scalars may be anywhere."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        tensors = [leaf for leaf in tree_leaves((arguments, keywords)) if isinstance(leaf, Tensor)]
        devices = {tensor.device for tensor in tensors if tensor.dim()}
        assert len(devices) < 2 or "copy" in function.name(), f"{function.name()} on {devices}"
        return function(*arguments, **(keywords or {}))


@pytest.fixture
def elsewhere(monkeypatch):
    """``meta`` stands in for a GPU: any machine has it. It knows no fused Adam, autocast or sparse matrix."""
    adam = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda weights, lr, fused: adam(weights, lr))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(light_gcn, "_csr", lambda matrix: torch.from_numpy(matrix.toarray()))
    monkeypatch.setattr(embedding_tables, "training_device", lambda: torch.device("meta"))


@KINDS
@pytest.mark.parametrize("loss", ["sampled_softmax", "popularity_softmax", "full_softmax", "bpr"])
def test_an_epoch_meets_no_tensor_of_another_device(elsewhere, train, kind, loss):
    model = kind(kind.options_type(**SMALL, loss=loss))
    with OneDevice(), model._training_tables(train) as tables:
        model._train_epoch(tables, train, epoch=1, steps=2)
        assert [table.device.type for table in tables.tables()] == ["meta", "meta"]


def test_a_tensor_that_was_left_behind_would_be_noticed():
    with OneDevice(), pytest.raises(AssertionError, match="mm on"):
        torch.ones(2, 2) @ torch.ones(2, 2, device="meta")


def test_the_fused_path_stays_on_the_cpu(elsewhere):
    initial = {"user": torch.ones(4, 8), "item": torch.ones(3, 8)}
    with embedding_tables.training_tables(initial, "rowwise_adagrad", 0.1) as tables:
        user, item = tables.look_up(torch.tensor([1]), torch.tensor([0, 2]))
        assert {tables.device, user.device, item.device, tables.tables()[0].device} == {torch.device("cpu")}


# --- on a GPU ------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_ranks_as_well_as_the_cpu(train, monkeypatch, kind, precision):
    hidden = train.where(np.random.default_rng(1).random(len(train)) < 0.25)
    rest = train.without(hidden)
    options = replace(kind.options_type(**SMALL), precision=precision)

    def recall():
        model = kind(options).fit(rest)
        assert {table.dtype for table in model.state().values()} == {np.dtype(np.float32)}
        return evaluate(model, hidden, exclude=rest).mean()["recall@20"]

    on_the_cpu = recall()
    monkeypatch.delenv(VARIABLE)
    with kind(options)._training_tables(rest) as tables:
        assert tables.device.type == "cuda"
    assert recall() == pytest.approx(on_the_cpu, abs=0.03)
