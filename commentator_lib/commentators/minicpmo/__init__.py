"""MiniCPM-o 4.5 as a commentator: what its checkpoint holds, loading it, its text, its speech.

`checkpoint` needs neither PyTorch nor transformers; all the rest does, and is imported where it is used.
"""
