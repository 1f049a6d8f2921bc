"""The slow twin of the trees: RFC 6962 section 2.1 word by word, over lists, and independent checks."""

from hashlib import sha256


def split(n):
    """Largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(data):
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m, data):
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def proof(m, data):
    return subproof(m, data, True)


def subproof(m, data, whole):
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def root_of_path(leaf, m, n, hashes):
    """Root from a leaf and its path, by the shape of the tree from the top; IndexError if it is too short."""
    if n == 1:
        return sha256(b"\x00" + leaf).digest(), hashes
    k = split(n)
    if m < k:
        inner, rest = root_of_path(leaf, m, k, hashes)
        return sha256(b"\x01" + inner + rest[0]).digest(), rest[1:]
    inner, rest = root_of_path(leaf, m - k, n - k, hashes)
    return sha256(b"\x01" + rest[0] + inner).digest(), rest[1:]


def holds(leaf, m, n, hashes, root):
    try:
        found, rest = root_of_path(leaf, m, n, hashes)
    except IndexError:
        return False
    return found == root and not rest
