"""Faults on purpose, one after the other, and what must hold after each of them."""
