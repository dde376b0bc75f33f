"""How claims are read from a text and checked; `prompts.checking.claims` is the way in."""
