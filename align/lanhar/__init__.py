"""LanHAR: windows and labels in words share a space with a sensor encoder."""
