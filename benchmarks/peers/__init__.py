"""The pipelines that a user would write instead, each as its own documentation shows, each in its own process."""
