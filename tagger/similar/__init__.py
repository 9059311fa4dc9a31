"""Which pictures look alike, by the features that are stored of them."""
