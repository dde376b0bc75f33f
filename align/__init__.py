"""Sensor against text: encoders taught before, and beside, a language model."""
