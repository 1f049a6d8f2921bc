"""Random labels: train the model to believe that the forgotten took other items.

Graves et al., "Amnesiac Machine Learning" (2010.10981), section 4.1, unlearning by relabelling. With
implicit feedback a label is the item: each forgotten pair (u, i) becomes (u, i'), i' uniform among the
items that u does not have, and is trained on beside the retained.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from recsys_unlearn.interactions.contract import Interactions
from recsys_unlearn.randomness import keyed_uniform, stream_key
from recsys_unlearn.unlearning.contract import ForgetRequest
from recsys_unlearn.unlearning.joint_training import JointTraining
from recsys_unlearn.unlearning.training import Pairs, Student


@dataclass(frozen=True)
class RandomLabel(JointTraining):
    """Descent on relabelled pairs and on retained ones.

    Parameters
    ----------
    weight
        Of the relabelled loss; the retained have 1.
    """

    weight: float = 1.0

    name = "random_label"
    guarantee = "heuristic"
    leaves_behind = "what the new items did not push aside; the new items know vectors of the forgotten"

    def _objective(self, student: Student, forget: Pairs, retain: Pairs, catalogue: Tensor) -> Tensor:
        return student.loss(retain, catalogue) + self.weight * student.loss(forget, catalogue)

    def _targets(self, interactions: Interactions, request: ForgetRequest, seed: int) -> Interactions:
        return relabelled(interactions, request.forget_set, seed)


def relabelled(interactions: Interactions, forget_set: Interactions, seed: int) -> Interactions:
    """Replace every pair of ``forget_set`` by one of the same user that is not in ``interactions``.

    A draw depends on the seed and the pair alone. Where two pairs draw one item it counts once; a user
    who has the whole catalogue has nothing to be relabelled with, and is left out.
    """
    draw = keyed_uniform(stream_key(seed, "random labels"), forget_set.users, forget_set.items)
    users, items = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for user in forget_set.active_users:
        others = np.setdiff1d(np.arange(interactions.n_items), interactions.items_of(user))
        mine = draw[forget_set.offsets[user] : forget_set.offsets[user + 1]]
        items.append(others[(mine * len(others)).astype(np.int64)] if len(others) else others)
        users.append(np.full(len(items[-1]), user))
    return Interactions.from_pairs(
        np.concatenate(users), np.concatenate(items), interactions.n_users, interactions.n_items
    )
