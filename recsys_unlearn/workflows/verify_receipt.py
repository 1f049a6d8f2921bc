"""A deletion receipt checked: by itself, with the key, and against the ledger, as far as they are there."""

from pathlib import Path

from recsys_unlearn.erasure.receipt import Verification, verify
from recsys_unlearn.errors import UnreadableSource
from recsys_unlearn.workspace import Workspace

LARGEST = 64 * 2**20  # bytes; a receipt of 10,000 users has some 40 MB


def verify_receipt(workspace: Workspace, file: Path) -> Verification:
    """Check a receipt; changes nothing, and needs no network.

    Raises
    ------
    UnreadableSource
        If the file cannot be read, or is far too large to be a receipt.
    LedgerError
        If the workspace's key or ledger is there and cannot be relied on.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise UnreadableSource(f"{file.name} has more than {LARGEST:,} bytes, and is no receipt")
        text = file.read_bytes()
    except OSError as error:
        raise UnreadableSource(f"cannot read the receipt: {error.strerror}; check the path") from None
    return verify(text, workspace.erasure_dir if workspace.erasure_dir.is_dir() else None)
