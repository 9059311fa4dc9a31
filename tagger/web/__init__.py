"""The web answers people over HTTP; that files are tagged never depends on it."""
