"""The user and the item table as one TorchRec module, on a dense or a fused optimiser path.

The only file that imports torchrec, which costs two seconds: nothing that serves, forgets or audits
needs it. The module is an ``EmbeddingBagCollection`` fed with keyed jagged tensors, so that
``DistributedModelParallel`` can shard it over the processes of ``torchrun`` as it stands. Id look-ups
are bags of length one: on a CPU they are four times as fast as ``EmbeddingCollection``.
"""

import gc
import logging
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed.optim  # torchrec's fused path imports it; inside a group, it would keep that group
from torch import Tensor, distributed, nn

from recsys_unlearn.recommenders.device import training_device

# torchrec warns about its own planner and about a deprecation in torch; nothing a reader could act on.
for noisy in ("torch.fx._symbolic_trace", "torchrec.distributed.planner"):
    logging.getLogger(noisy).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", category=FutureWarning, module=r"torchrec\.distributed\.planner")
warnings.filterwarnings("ignore", "Please use DTensor", FutureWarning)

from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor  # noqa: E402
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder  # noqa: E402
from torchrec.distributed.model_parallel import DistributedModelParallel  # noqa: E402
from torchrec.distributed.planner import EmbeddingShardingPlanner, Topology  # noqa: E402
from torchrec.distributed.planner.types import ParameterConstraints  # noqa: E402
from torchrec.optim import RowWiseAdagrad  # noqa: E402
from torchrec.optim.apply_optimizer_in_backward import apply_optimizer_in_backward  # noqa: E402

USERS, ITEMS = "user", "item"
ADAGRAD_EPS = 1e-8  # fbgemm's own default; torch's is 1e-10, and the difference shows in the weights


class EmbeddingTables(nn.Module):
    """Tables of user and item vectors, (n_users, d) and (n_items, d).

    Parameters
    ----------
    n_users, n_items, dim
        Their sizes.
    device
        Where the tables live; ``meta`` for a module that is going to be sharded.
    """

    def __init__(self, n_users: int, n_items: int, dim: int, device: torch.device | None = None) -> None:
        super().__init__()
        self.collection = EmbeddingBagCollection(
            tables=[
                EmbeddingBagConfig(name=name, embedding_dim=dim, num_embeddings=rows, feature_names=[name])
                for name, rows in ((USERS, n_users), (ITEMS, n_items))
            ],
            device=device,
        )

    def forward(self, batch: KeyedJaggedTensor) -> tuple[Tensor, Tensor]:
        """Vectors of the batch: (stride, d) for users and for items; zeros where a bag is empty."""
        pooled = self.collection(batch)
        return pooled[USERS], pooled[ITEMS]


class TrainingTables(ABC):
    """Tables and the optimiser that changes them; the trainer knows no more than this.

    Attributes
    ----------
    module
        What holds the weights.
    device
        Where they are, and the vectors that are looked up; rows are given on the CPU.
    """

    module: nn.Module
    device: torch.device

    def look_up(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, d) and (B + N, d) of B user rows and B + N item rows: positives, then negatives.

        Both features of a keyed jagged tensor have one stride, so the last N user bags are empty.
        """
        lengths = torch.ones(2, len(items), dtype=torch.int32)
        lengths[0, len(users) :] = 0
        values = torch.cat([users, items])
        batch = KeyedJaggedTensor([USERS, ITEMS], values, lengths=lengths.flatten())
        user, item = self.module(batch.to(self.device))
        return user[: len(users)], item

    @abstractmethod
    def step(self, loss: Tensor) -> None:
        """Descend ``loss`` by one step."""

    @abstractmethod
    def tables(self) -> tuple[Tensor, Tensor]:
        """Copies of the user and the item table, where the tables are."""


class DenseTables(TrainingTables):
    """Unsharded tables under Adam, on :func:`training_device`; every step touches every row."""

    def __init__(self, initial: dict[str, Tensor], learning_rate: float) -> None:
        self.device = training_device()
        self.module = EmbeddingTables(*_shape(initial), device=self.device)
        _copy_into(self.module, initial)
        self._optimizer = torch.optim.Adam(self.module.parameters(), lr=learning_rate, fused=True)

    def step(self, loss: Tensor) -> None:
        """Descend ``loss`` by one step of Adam over both tables."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()

    def weights(self) -> tuple[Tensor, Tensor]:
        """The user and the item table themselves, to be differentiated."""
        parameters = dict(self.module.named_parameters())
        return parameters[_weight_name(USERS)], parameters[_weight_name(ITEMS)]

    def tables(self) -> tuple[Tensor, Tensor]:
        """Copies of the user and the item table."""
        user, item = (weight.detach().clone() for weight in self.weights())
        return user, item


class FusedTables(TrainingTables):
    """Tables under row-wise Adagrad applied inside the backward pass; a step touches the batch's rows.

    Built as ``DistributedModelParallel`` on the current process group, which may span one process
    or many, on the CPU. Gradients are averaged over the processes.
    """

    device = torch.device("cpu")

    def __init__(self, initial: dict[str, Tensor], learning_rate: float) -> None:
        bare = EmbeddingTables(*_shape(initial), device=torch.device("meta"))
        rule = {"lr": learning_rate, "eps": ADAGRAD_EPS}
        apply_optimizer_in_backward(RowWiseAdagrad, bare.collection.parameters(), rule)
        processes = distributed.get_world_size()
        topology = Topology(world_size=processes, compute_device=self.device.type, local_world_size=processes)
        sharder = EmbeddingBagCollectionSharder()
        # Small tables would be planned data-parallel, which has no fused optimiser.
        whole_tables = ParameterConstraints(sharding_types=["table_wise"])
        planner = EmbeddingShardingPlanner(
            topology=topology, constraints=dict.fromkeys((USERS, ITEMS), whole_tables)
        )
        plan = planner.collective_plan(bare, [sharder], distributed.group.WORLD)
        self.module = DistributedModelParallel(bare, device=self.device, plan=plan, sharders=[sharder])
        for name, part, shard in self._shards():
            shard.copy_(initial[name][part])

    def step(self, loss: Tensor) -> None:
        """Descend ``loss`` by one step of row-wise Adagrad over the batch's rows."""
        loss.backward()  # fbgemm updates the touched rows on the way

    def tables(self) -> tuple[Tensor, Tensor]:
        """Copies of the user and the item table, gathered from every process."""
        whole = {name: torch.zeros(*self._weight(name).size()) for name in (USERS, ITEMS)}
        for name, part, shard in self._shards():
            whole[name][part] = shard
        if distributed.get_world_size() > 1:
            for table in whole.values():
                distributed.all_reduce(table)
        return whole[USERS], whole[ITEMS]

    def _weight(self, name: str) -> "distributed._shard.sharded_tensor.ShardedTensor":
        return self.module.state_dict()[_weight_name(name)]

    def _shards(self) -> Iterator[tuple[str, tuple[slice, slice], Tensor]]:
        """Each local shard: its table's name, its rows and columns there, and the live tensor."""
        for name in (USERS, ITEMS):
            for shard in self._weight(name).local_shards():
                (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
                yield name, (slice(row, row + rows), slice(column, column + columns)), shard.tensor.detach()


@contextmanager
def training_tables(
    initial: dict[str, Tensor], optimizer: str, learning_rate: float
) -> Iterator[TrainingTables]:
    """Tables that start at ``initial`` (keys ``user`` and ``item``) under the named optimiser."""
    if optimizer == "adam":
        yield DenseTables(initial, learning_rate)
        return
    with process_group():
        tables = FusedTables(initial, learning_rate)
        try:
            yield tables
        finally:
            del tables.module  # which holds the group, beyond whatever frame still holds the tables


@contextmanager
def process_group() -> Iterator[None]:
    """Join torchrun's processes, or form a group of one; a group that exists is used and kept.

    None of the group's threads outlives it: one that drops a tensor while Python shuts down aborts
    the process ("terminate called without an active exception").
    """
    if distributed.is_initialized():
        yield
        return
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    else:
        distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        distributed.destroy_process_group()
        gc.collect()  # the threads end with the last reference, and torchrec's are in cycles


def _weight_name(table: str) -> str:
    return f"collection.embedding_bags.{table}.weight"


def _shape(initial: dict[str, Tensor]) -> tuple[int, int, int]:
    return len(initial[USERS]), len(initial[ITEMS]), initial[USERS].shape[1]


def _copy_into(module: EmbeddingTables, initial: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, table in initial.items():
            module.get_parameter(_weight_name(name)).copy_(table)
