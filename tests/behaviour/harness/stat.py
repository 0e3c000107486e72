"""What "show stat" says, through tidectl."""

from harness import process


def rows(socket):
    """One dictionary of texts per row, by (listener or service, server)."""
    text = process.run_tidectl("-s", str(socket), "show", "stat").stdout
    columns, *lines = [line.split(",") for line in text.lstrip("# ").splitlines() if line]
    return {(line[0], line[1]): dict(zip(columns, line)) for line in lines}


def number(socket, server, column, service="site"):
    return int(rows(socket)[service, server][column])
