"""What "show stat" says, through tidectl."""

import csv
import io

from harness import process


def rows(socket):
    """One dictionary of texts per row, by (listener or service, server)."""
    text = process.run_tidectl("-s", str(socket), "show", "stat").stdout
    found = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    return {(row["pxname"], row["svname"]): row for row in found}


def servers(socket, service="site"):
    """The rows of this service, by server."""
    return {server: row for (name, server), row in rows(socket).items() if name == service}


def number(socket, server, column, service="site"):
    return int(servers(socket, service)[server][column])
