"""By which names browsers reach this machine: the Host headers that a server accepts, and the host of its link.

A server that answers under any name can be reached by every web page that its user visits: such a page needs only a
name of its own that leads to 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

_ANY_ADDRESS = {"", "*", "0.0.0.0", "::"}


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without port and brackets, in lower case."""
    name = re.sub(r":\d*$", "", host.strip().lower())
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def is_loopback(name: str) -> bool:
    """Return whether a name or an address leads to this machine alone."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_any_address(address: str) -> bool:
    """Return whether an address to listen on stands for all addresses of this machine."""
    return address in _ANY_ADDRESS


def is_accepted_host(host: str, names: Iterable[str]) -> bool:
    """Return whether a Host header names this machine: a loopback address, "localhost", or one of `names`."""
    name = host_name(host)
    return name in names or is_loopback(name)


def shown_host(address: str) -> str:
    """Return the host of the link to a server that listens on `address`."""
    if is_any_address(address):
        return socket.gethostname()
    return f"[{address}]" if ":" in address else address


def accepted_hosts(address: str, more: Iterable[str]) -> set[str]:
    """Return the names of this machine, beside the loopback ones, that a request may ask for."""
    names = {name.lower() for name in more}
    if is_any_address(address):
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    else:
        names.add(address.lower())
    return names
