"""Requests on a legal clock, the ledger that remembers them, and the receipt that shows what was done."""
