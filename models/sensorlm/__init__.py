"""A signal and its captions in one space (SensorLM): encoder, reader, writer, and all together."""
