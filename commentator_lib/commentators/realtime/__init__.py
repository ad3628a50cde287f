"""A model on a server that sees and hears all the time, and decides by itself when to speak."""
