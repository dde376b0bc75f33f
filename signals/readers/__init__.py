"""Files of recordings, one module a dialect."""
