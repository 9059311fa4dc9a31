"""What is wrong with this machine, as far as Tagger goes, and what to do about it. Nothing is changed by looking."""
