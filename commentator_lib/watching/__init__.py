"""Watchers: small, cheap and always on, they notice what happens while the commentator finds words."""
