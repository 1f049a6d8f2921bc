"""The methods by name: the one list that the command line, the benchmark and the contract tests read."""

from recsys_unlearn.errors import UsageError
from recsys_unlearn.unlearning.contract import Unlearner
from recsys_unlearn.unlearning.controls import NoOp, OverForgetting, RowDrop
from recsys_unlearn.unlearning.gradient_ascent import GradientAscent
from recsys_unlearn.unlearning.healed_ascent import HealedAscent
from recsys_unlearn.unlearning.natural_ascent import NaturalAscent
from recsys_unlearn.unlearning.retrain import Retrain

KINDS = (NaturalAscent, HealedAscent, GradientAscent, Retrain, NoOp, RowDrop, OverForgetting)
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
