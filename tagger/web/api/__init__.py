"""The REST API: what programs ask for, and what they are answered."""
