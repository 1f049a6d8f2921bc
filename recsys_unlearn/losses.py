"""Training losses of embedding recommenders, as functions on tensors of scores.

Every loss takes scores (logits) and returns one value per positive, shape (B,); the trainer sums
them. B positives, N negatives that the batch shares, m items in the catalogue.
"""

import torch
from torch import Tensor
from torch.nn import functional


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking: mean over the negatives of -log sigmoid(s_ui - s_uj).

    Rendle et al., UAI 2009, BPR-Opt. ``positive`` (B,), ``negative`` (B, N).
    """
    return functional.softplus(negative - positive[:, None]).mean(1)


def sampled_softmax(positive: Tensor, negative: Tensor, log_expected: Tensor | None = None) -> Tensor:
    """Cross-entropy of the positive among itself and the sampled negatives.

    -s_ui + log(e^{s_ui} + Σ_j e^{s_uj}). With ``log_expected`` (N,), the log of how often each
    negative is expected in the sample, e^{s_uj} is divided by it, so that the sum estimates the
    full softmax whatever the sampling distribution (Bengio & Senécal, 2008, eq. 7). Without it,
    uniform negatives give the partition function Z_u = N·mean_j e^{s_uj}.

    ``positive`` (B,), ``negative`` (B, N).
    """
    if log_expected is not None:
        negative = negative - log_expected
    everything = torch.cat([positive[:, None], negative], dim=1)
    return torch.logsumexp(everything, dim=1) - positive


def full_softmax(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the positive among the whole catalogue. ``scores`` (B, m), ``target`` (B,)."""
    return functional.cross_entropy(scores, target, reduction="none")
