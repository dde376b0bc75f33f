"""Text computed from a recording."""
