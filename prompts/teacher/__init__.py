"""Explanations by a teacher, checked and kept."""
