"""What tidegate promises of a run, asserted: each failure is a backend's that was broken."""

from harness.chaos.outcome import said

# Why a try failed although the request, or a part of it, had gone out to the backend's kernel.
SENT = {"empty-answer", "bad-answer", "response-timeout", "answer-cut"}


class Judge:
    """`outcome` of a run, and the tidegate that stood in it: its access log knows who had what."""

    def __init__(self, outcome, tg):
        self.outcome = outcome
        self.tg = tg

    def lines(self, exchanges):
        """The exchanges and their access log lines, for a report."""
        records = [self.record(one) for one in exchanges[:8]]
        return said(exchanges) + "\n" + "\n".join(record["line"] for record in records if record)

    def record(self, one):
        """The access log line of an exchange."""
        if one["kind"] == "tcp":
            return self.tg.access.wait(client=one["client"], listener="echo")
        return self.tg.access.wait(path=self.outcome.path(one))

    def none_failed(self, kind):
        failed = self.outcome.failed(kind)
        assert not failed, self.lines(failed)
        assert len(self.outcome.of(kind)) > 20, f"no steady load of {kind}"

    def was_sent_to_victim(self, one):
        """The log says that the last try went out to the victim, and why that failed."""
        backend, _, reason = self.record(one)["failed"].rsplit(",", 1)[-1].rpartition(":")
        return backend == self.outcome.victim and reason in SENT

    def posts_are_sound(self):
        """None processed twice; those that failed had gone out to the victim."""
        twice = self.outcome.posts_begun_twice()
        assert not twice, f"processed twice: {twice}"
        unfounded = self.outcome.posts_answered_by_nobody()
        assert not unfounded, self.lines(unfounded)
        lost = [one for one in self.outcome.posts_failed_unread()
                if not self.was_sent_to_victim(one)]
        assert not lost, self.lines(lost)

    def posts_failed_were_begun(self):
        """The strict form: no POST failed that a backend had not begun to process."""
        self.posts_are_sound()
        unread = self.outcome.posts_failed_unread()
        assert not unread, self.lines(unread)

    def only_open_ones_failed(self, kind):
        """Streams and TCP: what failed was open on the victim, and is seen to have failed."""
        failed = self.outcome.elsewhere(kind)
        if kind == "tcp":
            failed = [one for one in failed if self.record(one)["backend"] != self.outcome.victim]
        assert not failed, self.lines(failed)
        self.none_corrupt()

    def none_corrupt(self):
        """No answer ended well with other bytes than the backend's whole answer."""
        corrupt = [one for one in self.outcome.all if one["result"] == "corrupt"]
        assert not corrupt, said(corrupt)

    def keeps_the_promise(self):
        """All of it, where no answer of the victim had begun that was then cut."""
        self.none_failed("get")
        self.posts_are_sound()
        self.only_open_ones_failed("stream")
        self.only_open_ones_failed("tcp")

    def used_again(self):
        assert "used-again" in self.outcome.marks, "the mended backend got no request"
