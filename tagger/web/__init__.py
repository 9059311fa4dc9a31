"""The API over HTTP. It answers people; that files are tagged never depends on it."""
