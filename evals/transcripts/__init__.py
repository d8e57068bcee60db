"""Transcripts that people already have, read into trajectories: one module a format, and the table of them."""
