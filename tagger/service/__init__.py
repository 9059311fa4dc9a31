"""Tagger as a service of systemd's: what its unit needs from the config, and how it is installed and removed."""
