"""Do the embeddings look like the oracle's, and the forgotten like people it never met?

Scores can be right while the representation still holds the trace, or was ruined (Kim et al. 2025, arXiv
2503.06991). Two trainings differ by a rotation and more, so nothing here depends on the basis, and every
figure needs its noise floor: the same figure between two oracles that differ in the seed.
"""

import numpy as np

from recsys_unlearn.randomness import generator
from recsys_unlearn.recommenders.embedding import EmbeddingRecommender

NEIGHBOURS = 10
MOST_ROWS = 2000  # items whose neighbours are looked up; all of the catalogue is searched
EXPLAINED = 0.9
ROWS_PER_BATCH = 256


def dimensional_alignment(subject: np.ndarray, retained: np.ndarray, explained: float = EXPLAINED) -> float:
    """Share of the subjects' second moment that lies in the retained users' main eigenspace, [0, 1].

    After Seo et al. 2024 (arXiv 2407.17710): samples that were trained on lie in the eigenspace that the
    retained features span, and unseen ones do so less. The eigenspace is the smallest that holds
    ``explained`` of the retained second moment. The target is the oracle's figure for the same users.

    Parameters
    ----------
    subject, retained
        (n, d) and (m, d): user vectors, of one model; for the forgotten, folded in.
    """
    values, vectors = np.linalg.eigh(_moment(retained))
    largest = values[::-1].cumsum() / max(values.sum(), np.finfo(np.float64).tiny)
    kept = int(np.searchsorted(largest, explained - 1e-12)) + 1
    basis = vectors[:, ::-1][:, :kept]
    moment = _moment(subject)
    return float(np.trace(basis.T @ moment @ basis) / max(np.trace(moment), np.finfo(np.float64).tiny))


def neighbour_overlap(
    one: np.ndarray, two: np.ndarray, k: int = NEIGHBOURS, rows: np.ndarray | None = None
) -> float:
    """Mean share of the k nearest rows by cosine that two tables agree on; by default of all rows."""
    rows = np.arange(len(one)) if rows is None else rows
    shared = 0
    for start in range(0, len(rows), ROWS_PER_BATCH):
        batch = rows[start : start + ROWS_PER_BATCH]
        near, same = (_nearest(table, batch, k) for table in (one, two))
        shared += int((near[:, :, None] == same[:, None, :]).sum())
    return shared / (len(rows) * k)


def linear_cka(one: np.ndarray, two: np.ndarray) -> float:
    """Linear centred kernel alignment of two tables, [0, 1] (Kornblith et al. 2019, arXiv 1905.00414)."""
    x, y = _centred(one), _centred(two)
    across = np.square(x.T @ y).sum()
    return float(across / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def procrustes_distance(one: np.ndarray, two: np.ndarray) -> float:
    """Share of two tables' variance that the best rotation and scale leave apart, [0, 1].

    1 - ‖XᵀY‖₊² / (‖X‖² ‖Y‖²) on centred tables, ‖·‖₊ the sum of singular values (Schönemann, 1966).
    """
    x, y = _centred(one), _centred(two)
    nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    return float(1 - (nuclear / (np.linalg.norm(x) * np.linalg.norm(y))) ** 2)


def compare_items(
    method: EmbeddingRecommender, oracle: EmbeddingRecommender, seed: int = 0
) -> dict[str, float]:
    """Neighbour overlap, CKA and Procrustes distance of two item tables.

    The noise floor is the same call with a second oracle in the method's place.
    """
    one, two = method.item_table, oracle.item_table
    draw = generator(seed, "compared items")
    rows = np.sort(draw.choice(len(one), min(MOST_ROWS, len(one)), replace=False))
    return {
        "neighbour_overlap": neighbour_overlap(one, two, min(NEIGHBOURS, len(one) - 1), rows),
        "linear_cka": linear_cka(one, two),
        "procrustes_distance": procrustes_distance(one, two),
    }


def _moment(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    return wide.T @ wide / max(len(wide), 1)


def _centred(table: np.ndarray) -> np.ndarray:
    wide = table.astype(np.float64)
    return wide - wide.mean(axis=0)


def _nearest(table: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """int64 (len(rows), k): nearest other rows by cosine, in no order."""
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    cosine = unit[rows] @ unit.T
    cosine[np.arange(len(rows)), rows] = -np.inf
    return np.argpartition(-cosine, k - 1, axis=1)[:, :k]
