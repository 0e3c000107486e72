"""What "show stat" says."""

import csv
import io
import re

from harness import control


def rows(socket):
    """One dictionary of texts per row, by (listener or service, server)."""
    text = control.ask(str(socket), "show stat")
    found = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    return {(row["pxname"], row["svname"]): row for row in found}


def servers(socket, service="site"):
    """The rows of this service, by server; "site" has a number in a shared tidegate (harness/shared.py)."""
    return {server: row for (name, server), row in rows(socket).items()
            if re.fullmatch(rf"{re.escape(service)}(-\d+)?", name)}


def number(socket, server, column, service="site"):
    return int(servers(socket, service)[server][column])
