"""Both optimiser paths against the rule written out, and two processes against one."""

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

from recsys_unlearn.recommenders.embedding_tables import process_group, training_tables

from . import two_processes

N_USERS, N_ITEMS, DIM, RATE = 200, 100, 16, 0.1
OPTIMIZERS = ["adam", "rowwise_adagrad"]


@pytest.fixture
def initial():
    draw = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(rows, DIM, generator=draw) for name, rows in (("user", N_USERS), ("item", N_ITEMS))
    }


USERS, ITEMS = torch.tensor([5, 5, 9, 0]), torch.tensor([1, 2, 2, 99, 7, 7])  # 4 positives, 2 negatives


def loss_of(user, item):
    return (user * item[:4]).sum().square() + (user @ item[4:].T).sin().sum()


def plain_training(initial, steps, rule):
    """``rule(name, table, gradient)`` gives the next table; no torchrec anywhere."""
    tables = dict(initial)
    for _ in range(steps):
        leaves = {name: table.clone().requires_grad_() for name, table in tables.items()}
        loss = loss_of(leaves["user"][USERS], leaves["item"][ITEMS])
        slopes = torch.autograd.grad(loss, [leaves["user"], leaves["item"]])
        tables = {n: rule(n, tables[n], slope) for n, slope in zip(("user", "item"), slopes, strict=True)}
    return tables["user"], tables["item"]


def rowwise_adagrad():
    """State of a row: the sum of its gradients' mean squares (Duchi et al., 2011, one rate per row)."""
    state = {"user": torch.zeros(N_USERS, 1), "item": torch.zeros(N_ITEMS, 1)}

    def rule(name, table, slope):
        state[name] += slope.square().mean(1, keepdim=True)
        return table - RATE * slope / (state[name].sqrt() + 1e-8)

    return rule


def adam():
    """Kingma & Ba (2015), algorithm 1."""
    mean, square, step = {}, {}, {"user": 0, "item": 0}

    def rule(name, table, slope):
        step[name] += 1
        mean[name] = 0.9 * mean.get(name, torch.zeros_like(slope)) + 0.1 * slope
        square[name] = 0.999 * square.get(name, torch.zeros_like(slope)) + 0.001 * slope.square()
        unbiased = mean[name] / (1 - 0.9 ** step[name]), square[name] / (1 - 0.999 ** step[name])
        return table - RATE * unbiased[0] / (unbiased[1].sqrt() + 1e-8)

    return rule


RULES = {"adam": adam, "rowwise_adagrad": rowwise_adagrad}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_look_up_gives_the_rows(initial, optimizer):
    with training_tables(initial, optimizer, RATE) as tables:
        user, item = tables.look_up(USERS, ITEMS)
        assert torch.equal(user, initial["user"][USERS])
        assert torch.equal(item, initial["item"][ITEMS])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_three_steps_are_the_rule_written_out(initial, optimizer):
    """Rows that occur twice in a batch get the sum of both gradients, once."""
    with training_tables(initial, optimizer, RATE) as tables:
        for _ in range(3):
            tables.step(loss_of(*tables.look_up(USERS, ITEMS)))
        got = tables.tables()
    expected = plain_training(initial, 3, RULES[optimizer]())
    for one, two, before in zip(got, expected, (initial["user"], initial["item"]), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(one, before, atol=1e-2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rows_that_no_batch_names_stay_as_they_are(initial, optimizer):
    with training_tables(initial, optimizer, RATE) as tables:
        tables.step(loss_of(*tables.look_up(USERS, ITEMS)))
        for after, before, touched in zip(
            tables.tables(), (initial["user"], initial["item"]), (USERS, ITEMS), strict=True
        ):
            changed = torch.nonzero((after != before).any(1)).flatten()
            assert changed.tolist() == sorted(set(touched.tolist()))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tables_are_copies(initial, optimizer):
    with training_tables(initial, optimizer, RATE) as tables:
        for copy in tables.tables():
            copy.zero_()
        assert torch.equal(tables.tables()[0], initial["user"])
        assert torch.equal(tables.tables()[1], initial["item"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_initial_tables_are_not_written_to(initial, optimizer):
    before = {name: table.clone() for name, table in initial.items()}
    with training_tables(initial, optimizer, RATE) as tables:
        tables.step(loss_of(*tables.look_up(USERS, ITEMS)))
    assert all(torch.equal(initial[name], before[name]) for name in initial)


def test_a_small_catalogue_can_be_trained_on_the_fused_path():
    with training_tables(
        {"user": torch.ones(24, 8), "item": torch.ones(20, 8)}, "rowwise_adagrad", RATE
    ) as tables:
        assert torch.equal(tables.tables()[1], torch.ones(20, 8))


def test_the_dense_path_needs_no_process_group(initial):
    with training_tables(initial, "adam", RATE):
        assert not distributed.is_initialized()


def test_a_process_group_of_its_own_is_closed_again(initial):
    with training_tables(initial, "rowwise_adagrad", RATE):
        assert distributed.get_world_size() == 1
    assert not distributed.is_initialized()


def test_a_process_group_of_its_own_is_closed_after_an_error():
    with pytest.raises(RuntimeError, match="on purpose"), process_group():
        raise RuntimeError("on purpose")
    assert not distributed.is_initialized()


def test_a_process_group_that_exists_is_used_and_kept(initial):
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        with training_tables(initial, "rowwise_adagrad", RATE) as tables:
            assert torch.equal(tables.tables()[0], initial["user"])
        assert distributed.is_initialized()
    finally:
        distributed.destroy_process_group()


def threads_of_gloo():
    return [task for task in Path("/proc/self/task").iterdir() if "gloo" in (task / "comm").read_text()]


@pytest.mark.parametrize("joined", [False, True])
def test_no_thread_of_a_process_group_outlives_it(initial, joined):
    """One that still holds a tensor when Python shuts down aborts the process."""
    group = process_group() if joined else nullcontext()
    with group, training_tables(initial, "rowwise_adagrad", RATE) as tables:
        tables.step(loss_of(*tables.look_up(USERS, ITEMS)))
        tables.tables()
        assert threads_of_gloo()
    assert not threads_of_gloo()


# --- torchrun ------------------------------------------------------------------------------------

SCRIPT = Path(two_processes.__file__)


def torchrun(out):
    """Run the script in two processes; none of them outlives this call."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    group = subprocess.Popen(
        [*command, str(SCRIPT), str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, messages = group.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(group.pid, signal.SIGKILL)
        raise
    assert group.returncode == 0, messages[-2000:]
    return load_file(out)


@pytest.mark.slow
def test_two_processes_reach_the_tables_of_one(tmp_path):
    """``halves``: each sees half of every batch. ``fit``: the recommender's own training, unchanged."""
    with process_group():
        one = two_processes.both()
    two = torchrun(tmp_path / "tables")
    assert (
        sorted(one) == sorted(two) == [f"{p}/{t}_table" for p in ("fit", "halves") for t in ("item", "user")]
    )
    for name, table in one.items():
        np.testing.assert_allclose(two[name], table, atol=1e-5)
        assert table.std() > 0.05
