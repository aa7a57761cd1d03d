"""Tests of inference; `models` holds the models that they share."""
