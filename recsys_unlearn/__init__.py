"""Recommenders that forget a user on request, show that they have, and leave nothing behind."""

__version__ = "0.1.0"
