"""Tags for other programs: tables, JSON, Parquet, and sidecars beside pictures. Reads the store, a page at a time."""
