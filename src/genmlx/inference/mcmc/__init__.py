"""Markov chain Monte Carlo: one algorithm a file."""
