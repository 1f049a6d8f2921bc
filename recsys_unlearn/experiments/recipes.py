"""How the originals are trained that benchmarks forget from."""

from dataclasses import dataclass

from recsys_unlearn.recommenders.options import FactorizationOptions


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of an original.

    Parameters
    ----------
    options
        Of the factorisation.
    validation
        Share of the training pairs that is held out to say when to stop; 0 trains all epochs on all pairs,
        for recipes whose number of epochs was chosen before.
    """

    options: FactorizationOptions
    validation: float = 0.0


RECIPES = {
    "default": Recipe(FactorizationOptions(), validation=0.1),
    # The next two were chosen on gowalla/with_validation, and on 10 % of ml-1m-lcfn's training pairs.
    "gowalla": Recipe(FactorizationOptions(epochs=24, temperature=0.1, negatives=1024)),
    "ml-1m": Recipe(FactorizationOptions(epochs=24, temperature=0.17, batch_size=8192, learning_rate=0.01)),
    # FORGETTING.md, section 3.
    "prototype": Recipe(
        FactorizationOptions(
            similarity="dot", epochs=12, regularization=0.03, batch_size=8192, learning_rate=0.01
        )
    ),
}
