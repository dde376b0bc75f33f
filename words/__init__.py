"""From letters to words."""
