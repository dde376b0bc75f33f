"""Mapping 3D mid-air gestures to their 2D equivalents."""
