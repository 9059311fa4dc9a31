"""Fine-tuning: a network of the catalogue learns labels of the user's own with all its layers. Torch is asked to, here alone.

A head (`tagger.teach`) learns in seconds from a few pictures. This is for those who have thousands, and minutes to hours.
"""
