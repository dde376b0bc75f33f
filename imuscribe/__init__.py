"""Teach language models to read motion-sensor signals."""
