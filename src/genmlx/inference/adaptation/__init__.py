"""Tuning of gradient-based kernels during warm-up: step sizes and metrics, as arrays in a carry."""
