"""Recommenders that forget a user on request, and show that they have."""

__version__ = "0.1.0"
