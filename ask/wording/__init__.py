"""How people word questions and answers, in both directions."""
