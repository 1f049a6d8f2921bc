"""The workspace's secret: it turns ids into names that only its holder can make again.

The ledger, the suppression list and the receipts outlive the people they are about. They hold no id,
only HMAC-SHA256 of one (RFC 2104). Whoever has the key can ask whether a given id is among them;
without it a list of all possible ids is of no help.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from recsys_unlearn import durable
from recsys_unlearn.errors import ConfigError, LedgerError, UnknownItem, UnknownUser
from recsys_unlearn.interactions.contract import ItemId, UserId
from recsys_unlearn.interactions.ids import as_text

VARIABLE = "RECSYS_UNLEARN_KEY"
FILE = "key"
BYTES = 32  # as many as the hash has; RFC 2104 section 3 advises against fewer

_BLOCK, _PADS = 64, (0x36, 0x5C)  # of SHA-256 and of HMAC
_MADE_WITH_IT = ("ledger.jsonl", "suppressed")  # useless under another key


class Key:
    """A secret of at least 32 bytes, and what is made with it.

    Parameters
    ----------
    secret
        The bytes themselves. Use ``Key.of``; they are never shown, logged or sent anywhere.

    Attributes
    ----------
    fingerprint
        16 hexadecimal digits: the key's public name, by which a changed key is noticed.
    """

    def __init__(self, secret: bytes) -> None:
        block = (secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()).ljust(_BLOCK, b"\0")
        self._inner, self._outer = (hashlib.sha256(bytes(each ^ pad for each in block)) for pad in _PADS)
        self.fingerprint = self._tagged(b"fingerprint", b"")[:16]

    @classmethod
    def of(cls, directory: Path) -> "Key":
        """Return the key of the environment, else that of ``directory``, which is made on first use.

        Parameters
        ----------
        directory
            ``WORKSPACE/data/erasure``. The environment variable ``RECSYS_UNLEARN_KEY`` wins over the
            file in it: hexadecimal digits, or any text, of at least 32 bytes.

        Raises
        ------
        ConfigError
            The environment's key is too short.
        LedgerError
            The file can be read by others, is too short or unreadable; or there is none although
            something was made with it.
        """
        found = cls.find(directory)
        if found:
            return found
        if any((directory / name).exists() for name in _MADE_WITH_IT):
            raise LedgerError(
                f"the key {directory / FILE} is gone, and the ledger cannot be read without it: restore it "
                f"from a backup, or set {VARIABLE}"
            )
        _make(directory / FILE)
        return _read(directory / FILE)

    @classmethod
    def find(cls, directory: Path | None) -> "Key | None":
        """Like ``of``, but None where there is no key; makes none."""
        text = os.environ.get(VARIABLE)
        if text is not None:
            return _of_environment(text)
        if directory is None or not (directory / FILE).exists():
            return None
        return _read(directory / FILE)

    def user(self, user_id: UserId) -> str:
        """64 hexadecimal digits that stand for a user.

        An id is hashed as the text that the vault keeps of it: ``7`` and ``"7"`` are one user, as a
        command line has nothing but text, and ``"007"`` is another. So a user stays suppressed when
        the next source calls the same column text.

        Raises
        ------
        UnknownUser
            No source can hold such an id.
        UsageError
            It is neither a string nor a whole number.
        """
        try:
            text = user_id if type(user_id) is str else _text(user_id)
            return self._tagged(b"user", text.encode())  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            raise UnknownUser("no such user: no source can hold an id like that") from None

    def item(self, item_id: ItemId) -> str:
        """64 hexadecimal digits that stand for an item; never those of a user with the same id.

        Raises
        ------
        UnknownItem
            No source can hold such an id.
        UsageError
            It is neither a string nor a whole number.
        """
        text = as_text(item_id, "str")
        if text is None:
            raise UnknownItem("no such item: no source can hold an id like that")
        return self._tagged(b"item", text.encode())

    def pair(self, user_hash: str, item_hash: str) -> str:
        """64 hexadecimal digits that stand for what one user did with one item, given both keyed hashes.

        Two users' pairs with the same item have nothing in common.
        """
        return self._tagged(b"pair", f"{user_hash} {item_hash}".encode())

    def data(self, digest: str) -> str:
        """64 hexadecimal digits that stand for a store's content, given its digest.

        The digest itself says too much to be kept for good: with an old copy of the data one could leave
        out each user in turn until it fits, and so learn who was erased.
        """
        return self._tagged(b"data", digest.encode())

    def mac(self, payload: bytes) -> str:
        """64 hexadecimal digits that only the key's holder can give to ``payload``."""
        return self._tagged(b"mac", payload)

    def signed(self, payload: bytes, mac: str) -> bool:
        """Whether ``mac`` is the payload's; takes as long for every wrong one."""
        return hmac.compare_digest(self.mac(payload).encode(), mac.encode(errors="replace"))

    def _tagged(self, purpose: bytes, payload: bytes) -> str:
        """HMAC of RFC 2104; both pads are hashed once and copied, three times as fast as ``hmac.digest``."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(purpose + b"\0" + payload)
        outer.update(inner.digest())
        return outer.hexdigest()


def _text(user_id: UserId) -> str | None:
    """``as_text``, in a third of the time for what is just an int: an ingest asks a million times."""
    return str(user_id) if type(user_id) is int else as_text(user_id, "str")


def _of_environment(text: str) -> Key:
    secret = _bytes(text)
    if len(secret) < BYTES:
        raise ConfigError(f"{VARIABLE} has {len(secret)} bytes, and a key needs {BYTES}: set a longer one")
    return Key(secret)


def _read(path: Path) -> Key:
    if path.stat().st_mode & 0o077:
        raise LedgerError(f"the key {path} can be read by others than its owner: run `chmod 600 {path}`")
    try:
        secret = _bytes(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"the key {path} cannot be read ({type(error).__name__}): {_REMEDY}") from None
    if len(secret) < BYTES:
        raise LedgerError(f"the key {path} has {len(secret)} bytes, and a key has {BYTES}: {_REMEDY}")
    return Key(secret)


_REMEDY = f"restore it from a backup, or set {VARIABLE}"


def _bytes(text: str) -> bytes:
    """Hexadecimal digits count two to the byte, any other text as it is written."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.strip().encode(errors="surrogateescape")


def _make(path: Path) -> None:
    """Write a fresh key; of two processes that do so at once, the first wins and both use its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{durable.TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    try:
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_text(secrets.token_hex(BYTES) + "\n")
        durable.sync(temporary)
        with suppress(FileExistsError):
            path.hardlink_to(temporary)  # unlike a rename, never replaces
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync(path.parent)
