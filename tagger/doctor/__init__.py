"""Checks say what is wrong with this machine, as far as Tagger goes, and what to do about it. They change nothing."""
