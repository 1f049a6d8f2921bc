"""What a measured experiment is made of: a draw of users, models with and without them, and figures.

``pipelines/benchmark_forgetting.py`` and ``pipelines/benchmark_streams.py`` read top to bottom because
these rooms hold what they share.
"""
