"""Sensor against text: what a language model learns so that it can read a sensor's tokens."""
