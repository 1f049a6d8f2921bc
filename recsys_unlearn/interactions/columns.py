"""Column names of every frame and parquet file, written once."""

USER = "user"
ITEM = "item"
WEIGHT = "weight"
TIME = "time"
SPLIT = "split"

# Values of the SPLIT column. No training ever reads the last two: STRANGER is what training would have
# seen of a user who is held out from it, STRANGER_HELD_OUT what validation and test would have.
TRAIN, VALIDATION, TEST, STRANGER, STRANGER_HELD_OUT = range(5)
SPLIT_NAMES = ("train", "validation", "test", "strangers", "strangers_held_out")
