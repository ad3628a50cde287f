"""What every client of a server needs: its address and login, the httpx client, and errors in words."""
