"""MiniCPM-o 4.5 in duplex, here: it sees and hears a second at a time, and decides after each whether it speaks."""
