"""From a recommender and a forget set to a recommender that was never shown it."""
