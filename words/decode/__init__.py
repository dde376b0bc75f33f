"""From letters to the likeliest words."""
