"""What a language model sees of a signal: encoders, the projector, and both on disk."""
