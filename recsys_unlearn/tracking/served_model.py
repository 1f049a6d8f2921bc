"""What MLflow serves: top-k items for user rows. This file travels with each version and runs alone.

MLflow loads it from the version's directory ("models from code"), where recsys_unlearn need not be
installed. It knows rows, not the caller's ids, and no one's history: the caller drops seen items.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

DEFAULT_K = 20


class ServedRecommender(PythonModel):
    """Ranks the catalogue for user rows by the version's faiss index, or by its tables if it has none."""

    def load_context(self, context: Any) -> None:
        """Read the tables and the index from the version's files.

        Raises
        ------
        ValueError
            If the version has no user vectors: it scores histories, which nobody gives it here.
        """
        from safetensors.numpy import load_file

        files = Path(context.artifacts["files"])
        tables = load_file(files / "weights.safetensors")
        if "user_table" not in tables:
            raise ValueError("this version has no user vectors: ask `recsys-unlearn recommend`")
        self.user_table, self.item_table = tables["user_table"], tables["item_table"]
        self.index = _read_index(files / "index.faiss")

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Rank items for each user of the input, best first.

        Parameters
        ----------
        model_input
            Column ``user_row``, int64.
        params
            ``k``: how many items for each user, 20 unless given.

        Returns
        -------
        pandas.DataFrame
            One line for each user and rank: ``user_row``, ``rank`` from 1, ``item_row``, ``score``.
            A user whose row is all zeros, forgotten or never trained on, has no lines.

        Raises
        ------
        ValueError
            If a user row is not in the table, or k is below 1.
        """
        k = int((params or {}).get("k", DEFAULT_K))
        rows = model_input["user_row"].to_numpy(np.int64)
        if k < 1:
            raise ValueError(f"k is {k}; ask for at least 1 item")
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self.user_table)):
            raise ValueError(f"a user row is outside this version's {len(self.user_table)} rows")
        known = rows[self.user_table[rows].any(axis=1)]
        return _lines(known, *self._rank(self.user_table[known], min(k, len(self.item_table))))

    def _rank(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if self.index is not None and len(vectors):
            scores, items = self.index.search(np.ascontiguousarray(vectors), k)
            return items, scores
        scores = vectors @ self.item_table.T
        items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return items, np.take_along_axis(scores, items, axis=1)


def _read_index(path: Path) -> Any:
    if not path.exists():
        return None
    import faiss

    return faiss.read_index(str(path))


def _lines(users: np.ndarray, items: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    n, k = items.shape
    return pd.DataFrame(
        {
            "user_row": np.repeat(users, k),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int64), n),
            "item_row": items.ravel().astype(np.int64),
            "score": scores.ravel().astype(np.float32),
        }
    )


set_model(ServedRecommender())
