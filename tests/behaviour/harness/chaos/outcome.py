"""What came of the exchanges of a run, and which of the failures are nobody's but the backend's."""

import collections

KINDS = ("get", "post", "stream", "tcp")
RESULTS = ("status", "refused", "reset", "timeout", "truncated", "corrupt")


class Outcome:
    def __init__(self, exchanges, begun, victim, marks):
        self.all = exchanges
        self.victim = victim
        self.marks = marks
        # Path of a POST -> the backends that began to process it, one entry each time.
        self.begun = collections.defaultdict(list)
        for path, by in begun:
            self.begun[path].append(by)

    @staticmethod
    def path(one):
        return f"/{one['kind']}/{one['number']}"

    def of(self, kind):
        return [one for one in self.all if one["kind"] == kind]

    def failed(self, kind):
        return [one for one in self.of(kind) if one["result"] != "ok"]

    def results(self, kind):
        """{result: number} of the failures."""
        return collections.Counter(one["result"] for one in self.failed(kind))

    def posts_begun_twice(self):
        return {path: by for path, by in self.begun.items() if len(by) > 1}

    def posts_failed_unread(self):
        """Failed, and yet no backend has ever read a byte of it."""
        return [one for one in self.failed("post") if self.path(one) not in self.begun]

    def posts_answered_by_nobody(self):
        """Answered well, and no backend began it: that cannot be."""
        return [one for one in self.of("post")
                if one["result"] == "ok" and self.path(one) not in self.begun]

    def elsewhere(self, kind):
        """Failed, though an answer had begun that was not the victim's, or none had begun."""
        return [one for one in self.failed(kind) if one["by"] != self.victim]

    def failed_after(self, kind, mark, seconds=0.0):
        """Failed, though begun so long after the mark."""
        return [one for one in self.failed(kind) if one["begin"] > self.marks[mark] + seconds]

    def first_success_after(self, mark):
        """Seconds from the mark to the first good answer to a GET; None: there is none."""
        since = self.marks[mark]
        ends = [one["end"] for one in self.of("get") if one["result"] == "ok" and
                one["end"] >= since]
        return min(ends) - since if ends else None


def said(exchanges, most=8):
    """Exchanges for the message of a failed assertion."""
    lines = [" ".join(f"{key}={one[key]}" for key in ("kind", "number", "result", "status", "by",
                                                      "client")) +
             f" took={one['end'] - one['begin']:.3f}" for one in exchanges[:most]]
    more = [f"and {len(exchanges) - most} more"] if len(exchanges) > most else []
    return "\n".join(["", *lines, *more])
