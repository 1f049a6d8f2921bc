"""Has the recommender forgotten? Measured against users it was never shown."""
