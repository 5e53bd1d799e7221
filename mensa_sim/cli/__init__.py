"""What a terminal types."""

import gc

GARBAGE_AFTER = 200_000
"""New objects after which a command looks for garbage: a choice."""

# What a command imports and makes is kept, and seldom in circles: looking for garbage as often as usual is a tenth of
# its time.
gc.set_threshold(GARBAGE_AFTER)
