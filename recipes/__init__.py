"""Experiments as YAML files, and the schema that checks them."""
