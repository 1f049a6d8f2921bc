"""How the originals are trained that benchmarks forget from."""

from dataclasses import dataclass
from typing import Any

from recsys_unlearn.recommenders.implicit_options import AlsOptions, BprOptions
from recsys_unlearn.recommenders.light_gcn_options import LightGcnOptions
from recsys_unlearn.recommenders.options import FactorizationOptions
from recsys_unlearn.recommenders.two_tower_options import TwoTowerOptions


@dataclass(frozen=True)
class Recipe:
    """What kind of recommender an original is, and its hyper-parameters.

    Parameters
    ----------
    options
        Of the recommender.
    validation
        Share of the training pairs that is held out to say when to stop; 0 trains all epochs on all pairs,
        for recipes whose number of epochs was chosen before.
    model
        Name of the recommender; one with a user table and an item table.
    """

    options: Any
    validation: float = 0.0
    model: str = "factorization"


# Chosen on gowalla/with_validation, and on 10 % of ml-1m-lcfn's training pairs, for the factorisation.
ON_GOWALLA: dict[str, Any] = {"epochs": 24, "temperature": 0.1, "negatives": 1024}
ON_ML_1M: dict[str, Any] = {"epochs": 24, "temperature": 0.17, "learning_rate": 0.01}

RECIPES = {
    "default": Recipe(FactorizationOptions(), validation=0.1),
    "gowalla": Recipe(FactorizationOptions(**ON_GOWALLA)),
    "ml-1m": Recipe(FactorizationOptions(**ON_ML_1M, batch_size=8192)),
    # The same step on other models.
    "gowalla-light-gcn": Recipe(LightGcnOptions(**ON_GOWALLA, learning_rate=0.01), model="light_gcn"),
    "gowalla-two-tower": Recipe(TwoTowerOptions(**ON_GOWALLA), model="two_tower"),
    "ml-1m-light-gcn": Recipe(LightGcnOptions(**ON_ML_1M), model="light_gcn"),
    "ml-1m-two-tower": Recipe(TwoTowerOptions(**ON_ML_1M, batch_size=8192), model="two_tower"),
    "als": Recipe(AlsOptions(), model="als"),
    "bpr": Recipe(BprOptions(), validation=0.1, model="bpr"),
    # FORGETTING.md, section 3.
    "prototype": Recipe(
        FactorizationOptions(
            similarity="dot", epochs=12, regularization=0.03, batch_size=8192, learning_rate=0.01
        )
    ),
}
