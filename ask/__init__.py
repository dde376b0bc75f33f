"""Questions about labelled time in plain words, every number computed."""
