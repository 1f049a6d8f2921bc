"""Matrix factorisation: a score is the inner product of a user vector and an item vector."""

from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from recsys_unlearn import losses
from recsys_unlearn.errors import NothingLeft
from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.randomness import keyed_normal
from recsys_unlearn.recommenders.batches import Batches, Negatives, Sampling
from recsys_unlearn.recommenders.early_stopping import EarlyStopping
from recsys_unlearn.recommenders.embedding import ResumableRecommender
from recsys_unlearn.recommenders.options import FactorizationOptions, Loss
from recsys_unlearn.recommenders.softmax import Geometry

if TYPE_CHECKING:
    from recsys_unlearn.recommenders.embedding_tables import TrainingTables

NEGATIVES: dict[Loss, Sampling] = {
    "sampled_softmax": "uniform",
    "popularity_softmax": "popularity",
    "full_softmax": "everything",
    "bpr": "uniform",
}
INITIAL_SCALE = 0.1  # standard deviation of a fresh embedding's elements


class Factorization(ResumableRecommender):
    """User and item embeddings trained by one of the losses of :mod:`recsys_unlearn.losses`.

    The tables it serves hold scores as training saw them: for ``cosine`` the user rows are divided by
    the temperature and the item rows have length one, so that inner products are logits.

    Optimiser state is dropped when ``fit`` ends: a version holds two tables, and nothing else that a
    user has touched.
    """

    name = "factorization"
    options_type = FactorizationOptions
    options: FactorizationOptions

    @property
    def geometry(self) -> Geometry:
        """Of the loss without sampling; softmaxes that are not ``sampled`` see the whole catalogue."""
        options = self.options
        drawn = {"sampled_softmax": options.negatives, "bpr": 1}
        negatives = float(drawn.get(options.loss, self.n_items))
        if options.similarity == "cosine":
            return Geometry(negatives, spherical=True, user_length=1 / options.temperature)
        return Geometry(negatives, regularization=options.regularization)

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Train from scratch; two fits on the same interactions give the same bytes."""
        options = self.options
        steps = options.steps_per_epoch or -(-len(interactions) // options.batch_size)
        judge = EarlyStopping(interactions, validation, options.patience) if validation else None
        with self._training_tables(interactions) as tables:
            for epoch in range(1, options.epochs + 1):
                self._train_epoch(tables, interactions, epoch, steps)
                if progress:
                    progress("training", epoch, options.epochs)
                if judge is None or epoch % options.evaluate_every:
                    continue
                if judge.is_over(epoch, self._served(*tables.tables(), interactions)):
                    break
            last = self._served(*tables.tables(), interactions)
        best = judge.best if judge and judge.best else last
        best = best.on_principal_axes(interactions.user_counts)
        self.user_table, self.item_table = best.user_table, best.item_table
        epochs = judge.best_epoch if judge and judge.best else epoch
        self.retrain_options = replace(options, epochs=epochs, steps_per_epoch=steps)

    def resume(self, interactions: Interactions, steps: int, learning_rate: float) -> Self:
        """Go on training for some steps on ``interactions``, from the tables as they are.

        Adam starts without momentum, and its first steps have full size whatever the gradient: a learning
        rate well below training's is needed. Users without interactions keep their zeros.
        """
        if not len(interactions):
            raise NothingLeft("no interactions to go on training with")
        from recsys_unlearn.recommenders.embedding_tables import training_tables

        options = replace(self.options, learning_rate=learning_rate)
        trainer = type(self)(options)
        length_one = options.temperature if options.similarity == "cosine" else 1.0
        user, item = torch.from_numpy(self.user_table * length_one), torch.from_numpy(self.item_table)
        tables = {"user": user, "item": item}
        per_epoch = -(-len(interactions) // options.batch_size)
        with training_tables(tables, options.optimizer, options.learning_rate) as training:
            for epoch in range(1, -(-steps // per_epoch) + 1):
                left = steps - (epoch - 1) * per_epoch
                trainer._train_epoch(training, interactions, epoch, per_epoch, most=left)
            resumed = self._served(*training.tables(), interactions)
        return self.with_tables(resumed.user_table, resumed.item_table)

    def _training_tables(self, interactions: Interactions) -> AbstractContextManager["TrainingTables"]:
        from recsys_unlearn.recommenders.embedding_tables import training_tables  # torchrec: two seconds

        options = self.options
        return training_tables(self._initial(interactions), options.optimizer, options.learning_rate)

    def _initial(self, interactions: Interactions) -> dict[str, Tensor]:
        sizes = {"user": interactions.n_users, "item": interactions.n_items}
        return {
            name: torch.from_numpy(
                INITIAL_SCALE * keyed_normal(self.options.seed, name, rows, self.options.dim)
            )
            for name, rows in sizes.items()
        }

    def _train_epoch(
        self,
        tables: "TrainingTables",
        interactions: Interactions,
        epoch: int,
        steps: int,
        most: int | None = None,
    ) -> None:
        """Take the epoch's ``steps`` batches, or the first ``most`` of them."""
        options = self.options
        batches = Batches(interactions, steps, options.seed)
        negatives = Negatives(
            NEGATIVES[options.loss], options.negatives, interactions.item_counts, options.seed
        )
        for step, (users, items) in islice(enumerate(batches.epoch(epoch)), most):
            if len(users):
                rows, log_expected = negatives.draw(epoch, step)
                user, item = tables.look_up(users, torch.cat([items, rows]))
                tables.step(self._loss(user, item, items, log_expected))

    def _loss(self, user: Tensor, item: Tensor, target: Tensor, log_expected: Tensor | None) -> Tensor:
        """Sum over the batch, divided by the nominal batch size so that no user weighs on another.

        ``target`` and ``log_expected`` come from the CPU, the vectors from where the tables are.
        """
        options, count = self.options, len(user)
        lengths = user.square().sum() + item[:count].square().sum()
        if options.similarity == "cosine":
            user, item = (
                functional.normalize(user, dim=1) / options.temperature,
                functional.normalize(item, dim=1),
            )
        positive = (user * item[:count]).sum(1)
        with torch.autocast(user.device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            product = user @ item[count:].T
        negative = product.float()
        if options.loss == "bpr":
            total = losses.bpr(positive, negative).sum()
        elif options.loss == "full_softmax":
            total = losses.full_softmax(negative, target.to(negative.device)).sum()
        else:
            if log_expected is not None:
                log_expected = log_expected.to(negative.device)
            total = losses.sampled_softmax(positive, negative, log_expected).sum()
        if options.similarity == "dot":
            total = total + options.regularization * lengths
        return total / options.batch_size

    def _served(self, user: Tensor, item: Tensor, interactions: Interactions) -> Self:
        user, item = user.cpu(), item.cpu()
        if self.options.similarity == "cosine":
            user = functional.normalize(user, dim=1) / self.options.temperature
            item = functional.normalize(item, dim=1)
        user[torch.from_numpy(interactions.user_counts == 0)] = 0  # strangers have no row to serve from
        return self.with_tables(user.numpy(), item.numpy())
