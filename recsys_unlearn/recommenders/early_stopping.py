"""Stop when Recall@20 on validation data no longer rises, and keep the best tables."""

from recsys_unlearn.interactions.contract import Interactions, sample_users
from recsys_unlearn.metrics import evaluate
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender

MOST_USERS = 5000  # enough for a standard error of Recall@20 near .002; more only costs time
METRIC = "recall@20"


class EarlyStopping:
    """Judge of successive states of one training.

    Parameters
    ----------
    train, validation
        Training items are excluded from the ranking; validation items are what is looked for.
    patience
        How many evaluations in a row may pass without a better one.

    Attributes
    ----------
    best
        Recommender with the highest mean so far, or None before the first evaluation.
    best_epoch
        The epoch it was seen at.
    """

    def __init__(self, train: Interactions, validation: Interactions, patience: int) -> None:
        self.train, self.patience = train, patience
        self.validation = sample_users(validation, MOST_USERS, "validation users")
        self.best: EmbeddingRecommender | None = None
        self.best_epoch, self.best_recall, self._without_gain = 0, -1.0, 0

    def is_over(self, epoch: int, candidate: EmbeddingRecommender) -> bool:
        """Evaluate ``candidate``; True when training should stop."""
        recall = evaluate(candidate, self.validation, exclude=self.train, k=20).mean()[METRIC]
        if recall > self.best_recall:
            self.best, self.best_epoch, self.best_recall = candidate, epoch, recall
            self._without_gain = 0
        else:
            self._without_gain += 1
        return self._without_gain >= self.patience
