"""Adapters for language models: training, pre-flight checks, label scoring."""
