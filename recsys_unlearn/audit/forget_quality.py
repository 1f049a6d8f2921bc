"""Three published single numbers for how close an unlearned model is to a retrained one.

They are here so that our tables can be put beside others'. None replaces the audit: the first falls
with the number of users, and the last two are functions of one ROC curve.
"""

import numpy as np
from scipy.stats import ks_2samp

from recsys_unlearn.audit.attack import roc

DELTA = 1e-5  # as in the NeurIPS 2023 unlearning challenge


def forget_quality(unlearned: np.ndarray, reference: np.ndarray) -> float:
    """p-value of a two-sample Kolmogorov-Smirnov test between per-user statistics.

    TOFU (Maini et al. 2024, arXiv 2401.06121): on the forgotten users, under the unlearned model and
    under the retrained one. Without an oracle, ``reference`` is the strangers' statistic. 1 is alike,
    0 is not. NaN where a side has no users.
    """
    if not len(unlearned) or not len(reference):
        return float("nan")
    return float(ks_2samp(unlearned, reference).pvalue)


def privleak(auc: float, auc_oracle: float) -> float:
    """((1 - AUC) - (1 - AUC_oracle)) / (1 - AUC_oracle), in percent.

    MUSE (Shi et al. 2024, arXiv 2407.06460). Negative: still remembered; positive: over-forgotten.
    """
    return 100 * (auc_oracle - auc) / (1 - auc_oracle)


def epsilon_quality(members: np.ndarray, strangers: np.ndarray, delta: float = DELTA) -> float:
    """FQ = 2^-ε of one attack; 1 is indistinguishable, 0 is separated without an error.

    ε = max over thresholds of min{log(1 - δ - FPR) - log FNR, log(1 - δ - FNR) - log FPR}, at least 0
    (NeurIPS 2023 unlearning challenge; Triantafillou et al. 2024, arXiv 2406.09073).
    """
    false, true = roc(members, strangers)
    missed = 1 - true
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 by 0 says nothing: fmin passes over it
        one = np.log(np.maximum(1 - delta - false, 0)) - np.log(missed)
        two = np.log(np.maximum(1 - delta - missed, 0)) - np.log(false)
    epsilon = np.fmax(np.fmin(one, two), 0).max()
    return float(2.0**-epsilon)
