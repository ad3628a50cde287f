"""Truth: what happens in a clip, as other projects write it down, and how a run compares with it."""
