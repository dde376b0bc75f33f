"""How claims are read from a text and judged; `prompts.checking.claims` is the way in."""
