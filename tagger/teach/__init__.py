"""Own labels, learned from examples: numbers in, numbers out. scikit-learn is imported here alone, and by who learns."""
