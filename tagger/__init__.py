"""Tagger watches folders, tags every new picture with a ResNet-18, and keeps the tags in SQL."""
