"""Where the sensor's tokens stand in a prompt."""

PLACE = "<|signal|>"
