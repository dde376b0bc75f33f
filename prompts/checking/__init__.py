"""How claims are read from a text and judged; `prompts.claims` is the way in."""
