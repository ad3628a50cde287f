"""Convert timed text and events between the formats of other projects, and from a run's folder."""
