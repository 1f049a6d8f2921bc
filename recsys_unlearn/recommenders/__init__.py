"""Embedding recommenders: one contract, one file each."""
