"""Script for torchrun: train over the processes of the group; rank 0 writes the tables to argv[1]."""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import distributed

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.recommenders.embedding_tables import process_group, training_tables
from recsys_unlearn.recommenders.factorization import Factorization, FactorizationOptions

N_USERS, N_ITEMS, DIM, BATCH = 200, 100, 32, 64


def train_on_halves() -> dict[str, torch.Tensor]:
    """Ten steps; each process sees its slice of every batch, all see the same negatives.

    Gradients are averaged over the processes, so each divides by the size of its own slice.
    """
    draw = torch.Generator().manual_seed(0)
    initial = {
        name: 0.1 * torch.randn(rows, DIM, generator=draw)
        for name, rows in (("user", N_USERS), ("item", N_ITEMS))
    }
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    with training_tables(initial, "rowwise_adagrad", 0.3) as tables:
        for _ in range(10):
            users = torch.randint(N_USERS, (BATCH,), generator=draw)[rank::processes]
            items = torch.randint(N_ITEMS, (BATCH,), generator=draw)[rank::processes]
            negatives = torch.randint(N_ITEMS, (20,), generator=draw)
            user, item = tables.look_up(users, torch.cat([items, negatives]))
            positive = (user * item[: len(users)]).sum(1)
            scores = torch.cat([positive[:, None], user @ item[len(users) :].T], 1)
            tables.step((torch.logsumexp(scores, 1) - positive).mean())
        user_table, item_table = tables.tables()
    return {"user_table": user_table, "item_table": item_table}


def fit() -> dict[str, torch.Tensor]:
    """Train a recommender by its own ``fit``, as ``torchrun pipelines/train.py`` would."""
    draw = np.random.default_rng(0)
    data = Interactions.from_pairs(
        draw.integers(0, N_USERS, 900), draw.integers(0, N_ITEMS, 900), N_USERS, N_ITEMS
    )
    options = FactorizationOptions(
        dim=DIM, optimizer="rowwise_adagrad", learning_rate=0.3, negatives=32, batch_size=128, epochs=2
    )
    model = Factorization(options).fit(data)
    return {
        "user_table": torch.from_numpy(model.user_table),
        "item_table": torch.from_numpy(model.item_table),
    }


def both() -> dict[str, torch.Tensor]:
    """Tables of either training, by ``training/table``."""
    parts = {"halves": train_on_halves(), "fit": fit()}
    return {f"{part}/{name}": table for part, tables in parts.items() for name, table in tables.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group():
        tables = both()
        if distributed.get_rank() == 0:
            save_file({name: table.contiguous() for name, table in tables.items()}, Path(sys.argv[1]))
