"""Tagger watches folders, tags every new picture with an image network, and keeps the tags in SQL."""

import os

# Numpy's products are small here. Its library would wake a thread on each core for some of them, and those spin, for
# as long as the product takes and longer, on cores that should decode and infer.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
