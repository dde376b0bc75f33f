"""Where timelines come from: tables of spans, charts, windows read by a model."""
