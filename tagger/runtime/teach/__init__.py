"""What `tagger teach` does: examples are gathered, looked at by the model, and learned from, once for each crop."""
