"""Versions side by side, as plain data for a table or for JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_unlearn.tracking.names import COMMON, UTILITY
from recsys_unlearn.tracking.versions import Version


def compare(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """Describe each version with the same keys, in the order given.

    Returns
    -------
    list of dict
        ``version, parent_version, kind, created, aliases, run_id, tags``, and ``metrics``: for every
        name that any of them has, and the common dozen, the value or None; ``change``: utility and
        audit less the parent's, where both have it and the parent is among ``versions``.
    """
    extra = sorted({name for version in versions for name in version.metrics} - set(COMMON))
    metrics = {v.number: {name: v.metrics.get(name) for name in (*COMMON, *extra)} for v in versions}
    return [
        _describe(version, metrics[version.number], metrics.get(version.parent or 0, {}))
        for version in versions
    ]


def _describe(
    version: Version, metrics: Mapping[str, float | None], parents: Mapping[str, float | None]
) -> dict[str, Any]:
    return {
        "version": version.number,
        "parent_version": version.parent,
        "kind": version.tags.get("kind"),
        "created": version.created.isoformat(timespec="seconds"),
        "aliases": list(version.aliases),
        "run_id": version.run_id,
        "tags": dict(version.tags),
        "metrics": dict(metrics),
        "change": {
            name: value - earlier
            for name, value in metrics.items()
            if (name in UTILITY or name.startswith("audit/"))
            and value is not None
            and (earlier := parents.get(name)) is not None
        },
    }
