"""Recordings to prompts: serialisers, token budgets, templates, answers, instruction pairs."""
