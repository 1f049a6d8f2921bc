"""The engines of ``implicit`` (ALS, BPR, LMF) behind the contract.

The only file that imports implicit. What it must be kept from: a second ``fit`` of an engine goes on from
the first one's factors, so every fit makes a new engine; ALS is ten times as slow when BLAS has threads of
its own; BPR with several threads differs from run to run. Rows that nobody trained are random numbers
there, and zeros here. Bias columns are columns of the tables: inner products are scores.
"""

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.progress import Progress
from recsys_unlearn.recommenders.early_stopping import EarlyStopping
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender
from recsys_unlearn.recommenders.geometry import LossGeometry
from recsys_unlearn.recommenders.implicit_options import AlsOptions, BprOptions, LmfOptions
from recsys_unlearn.recommenders.incidence import incidence
from recsys_unlearn.recommenders.softmax import Geometry
from recsys_unlearn.recommenders.squared import SquaredGeometry


class _Enough(Exception):
    """Raised inside an engine's training, which knows no other way to stop."""


class ImplicitEngine(EmbeddingRecommender):
    """An engine of implicit.

    Attributes
    ----------
    stops_early
        Whether ``validation`` says how long to train.
    """

    stops_early: ClassVar[bool] = True

    def _fit(
        self, interactions: Interactions, validation: Interactions | None, progress: Progress | None
    ) -> None:
        """Train a new engine from scratch."""
        options, judge = self.options, None
        if validation and self.stops_early:
            judge = EarlyStopping(interactions, validation, options.patience)

        def report(epoch: int, *_: Any) -> None:
            if progress:
                progress("training", epoch + 1, engine.iterations)
            if judge is None or (epoch + 1) % options.evaluate_every:
                return
            if judge.is_over(epoch + 1, self._trained(engine, interactions)):
                raise _Enough

        with _blas_on_one_thread(), suppress(_Enough):
            engine = self._engine()
            engine.fit(incidence(interactions, dtype=np.float32), show_progress=False, callback=report)
        best = self._trained(engine, interactions)
        if judge and judge.best:
            best = judge.best
            self.retrain_options = replace(options, epochs=judge.best_epoch)
        self.user_table, self.item_table = best.user_table, best.item_table

    def _trained(self, engine: Any, interactions: Interactions) -> EmbeddingRecommender:
        """The engine's factors as they are now: zeros for users whom it does not train."""
        users = np.array(engine.user_factors, np.float32)
        users[interactions.user_counts == 0] = 0
        return self.with_tables(users, np.array(engine.item_factors, np.float32))

    @abstractmethod
    def _engine(self) -> Any:
        """Make a fresh engine with the options."""


class Als(ImplicitEngine):
    """Weighted least squares of zeros and ones, one side after the other (Hu, Koren & Volinsky, 2008)."""

    name = "als"
    options_type = AlsOptions
    options: AlsOptions
    stops_early = False  # it goes to a fixed point, which is what is forgotten towards
    forgets_by = "untrain_als"

    @property
    def geometry(self) -> LossGeometry:
        """Weighted squares, with α and μ."""
        return SquaredGeometry(self.options.confidence, self.options.regularization)

    def swept(self, item_users: sparse.csr_matrix) -> Self:
        """Return another after one sweep from these tables: items fitted to the users, then users to them.

        Parameters
        ----------
        item_users
            Zeros and ones, float32 (n_items, n_users): the interactions, transposed.
        """
        with _blas_on_one_thread():
            engine = self._engine()
            engine.iterations = 1
            # The engine begins with what it calls users. Here that must be the items: the other users' rows
            # are not a forgotten user's, while a user fitted to the old items would take up their trace.
            engine.user_factors, engine.item_factors = self.item_table.copy(), self.user_table.copy()
            engine.fit(item_users, show_progress=False)
        engine.item_factors[np.bincount(item_users.indices, minlength=len(self.user_table)) == 0] = 0
        return self.with_tables(engine.item_factors, engine.user_factors)

    def _engine(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        options = self.options
        return AlternatingLeastSquares(
            factors=options.dim,
            regularization=options.regularization,
            alpha=options.confidence,
            iterations=options.epochs,
            num_threads=options.threads,
            random_state=options.seed,
        )


class Bpr(ImplicitEngine):
    """Bayesian personalised ranking by stochastic gradient descent (Rendle et al., 2009).

    The engine draws a positive by its place in the list of all interactions, so that taking a user out
    gives the others other draws: a retrain differs by more than the user.
    """

    name = "bpr"
    options_type = BprOptions
    options: BprOptions

    @property
    def geometry(self) -> LossGeometry:
        """One negative per positive; a step's λ‖·‖² / 2 falls on both."""
        return Geometry(1.0, regularization=self.options.regularization / 2)

    def _engine(self) -> Any:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        options = self.options
        return BayesianPersonalizedRanking(
            factors=options.dim,
            learning_rate=options.learning_rate,
            regularization=options.regularization,
            iterations=options.epochs,
            num_threads=options.threads,
            random_state=options.seed,
        )


class Lmf(ImplicitEngine):
    """Logistic matrix factorisation with sampled negatives (Johnson, 2014)."""

    name = "lmf"
    options_type = LmfOptions
    options: LmfOptions

    @property
    def geometry(self) -> LossGeometry:
        """Of a softmax among as many negatives, which stands for the sum of logistic losses."""
        return Geometry(float(self.options.negatives))

    def _engine(self) -> Any:
        from implicit.cpu.lmf import LogisticMatrixFactorization

        options = self.options
        return LogisticMatrixFactorization(
            factors=options.dim,
            learning_rate=options.learning_rate,
            regularization=options.regularization,
            iterations=options.epochs,
            neg_prop=options.negatives,
            num_threads=options.threads,
            random_state=options.seed,
        )


@contextmanager
def _blas_on_one_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # implicit looks at the environment, not at what is set here, and warns all the same
        warnings.filterwarnings("ignore", message=".*OpenBLAS.*")
        yield
