"""The methods by name: the one list that the command line, the benchmark and the contract tests read."""

from recsys_unlearn.errors import UsageError
from recsys_unlearn.unlearning.contract import Unlearner
from recsys_unlearn.unlearning.controls import NoOp, OverForgetting, RowDrop
from recsys_unlearn.unlearning.exact import Exact
from recsys_unlearn.unlearning.fine_tune import FineTune
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.healed_ascent import HealedAscent
from recsys_unlearn.unlearning.influence import Scif
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.neg_grad import NegGrad
from recsys_unlearn.unlearning.projected_ascent import ProjectedAscent
from recsys_unlearn.unlearning.random_label import RandomLabel
from recsys_unlearn.unlearning.refine import Refine
from recsys_unlearn.unlearning.retrain import Retrain
from recsys_unlearn.unlearning.saliency import Saliency
from recsys_unlearn.unlearning.scrub import Scrub
from recsys_unlearn.unlearning.shards import Shards
from recsys_unlearn.unlearning.sparse_fine_tune import SparseFineTune
from recsys_unlearn.unlearning.spillover import Ifru
from recsys_unlearn.unlearning.untrain_als import UntrainAls

KINDS: tuple[type[Unlearner], ...] = (
    *(NaturalAscent, HealedAscent, GradientAscent, ProjectedAscent, Scif, Ifru),
    *(NegGrad, FineTune, SparseFineTune, RandomLabel, Saliency, Scrub),
    *(Refine, Shards, Exact, UntrainAls, Retrain),
    *(NoOp, RowDrop, OverForgetting),
)
UNLEARNERS: dict[str, type[Unlearner]] = {kind.name: kind for kind in KINDS}
METHODS = tuple(name for name, kind in UNLEARNERS.items() if kind.guarantee != "control")
"""Names of the methods that may serve a deletion; controls may not."""


def unlearner(name: str) -> Unlearner:
    """Return the named method with its default parameters.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    if name not in UNLEARNERS:
        raise UsageError(f"no method {name!r}; there are {', '.join(UNLEARNERS)}")
    return UNLEARNERS[name]()
