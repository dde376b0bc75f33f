"""Experiments as YAML, and the strict schema that checks them."""
