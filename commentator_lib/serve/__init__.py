"""The commentary as a server: a page with the player and the panel, a REST interface, streams.

`commentator serve` runs it. `broadcast` holds the one panel whose run all viewers see; `widget_hub` and `viewer` carry
its widgets to their pages; `app` joins the routes, behind `access` and `limits`.
"""
