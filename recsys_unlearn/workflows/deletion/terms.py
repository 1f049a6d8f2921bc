"""How a deletion is to be carried out, as it was asked for; kept with the request until it is done."""

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from recsys_unlearn.errors import UsageError

if TYPE_CHECKING:
    from recsys_unlearn.tracking.retention import Retention

_KEEP = re.compile(r"([0-9]{1,6})(d?)")


@dataclass(frozen=True)
class Terms:
    """Choices that do not change who is forgotten.

    Parameters
    ----------
    method
        One of :data:`recsys_unlearn.unlearning.registry.METHODS`; None for the one that the model names.
    verify
        Measure before and after, and refuse to serve a version whose audit fails.
    keep
        Superseded versions that may stay although they hold the forgotten: ``"0"`` none, ``"3"`` the
        newest three, ``"30d"`` each for thirty days.
    """

    method: str | None = None
    verify: bool = True
    keep: str = "0"

    def __post_init__(self) -> None:
        if self.method is not None:  # the list of methods costs the import of torch
            _check_method(self.method)
        if not _KEEP.fullmatch(self.keep):
            raise UsageError(f"--keep takes a number of versions, or of days as in 30d, not {self.keep!r}")

    def by(self, method: str | None) -> Self:
        """Return the same terms, but for the method, if one is given."""
        return replace(self, method=method) if method else self

    def retention(self) -> "Retention":
        """Return the policy that ``keep`` spells."""
        from recsys_unlearn.tracking.retention import AfterDays, AtOnce, KeepNewest

        number, days = _KEEP.fullmatch(self.keep).groups()  # type: ignore[union-attr]
        if days:
            return AfterDays(int(number))
        return KeepNewest(int(number)) if int(number) else AtOnce()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def _check_method(method: str) -> None:
    from recsys_unlearn.unlearning.registry import METHODS

    if method not in METHODS:
        raise UsageError(f"no method {method!r}; there are {', '.join(METHODS)}")
