"""Clips of invented broadcasts whose scoreboards are known frame by frame, to measure how well watchers read them.

`script` writes the course of a game, `backgrounds` the moving pictures; `layouts_development`, `layouts_second`,
`layouts_third` and `layouts_heldout` are the boards, `traps` what looks like a score and is none; `clip` renders,
`judge` compares events with the truth.
"""
