"""One tidegate for the configurations of many tests: a reload takes a twentieth of what a start takes."""

import re

from harness import conf, net, process


class Reloads:
    """The tidegates of one file: one for each number of workers, which takes new processes to change."""

    def __init__(self, start):
        self.start = start
        self.resting = {}  # number of workers -> a tidegate between two tests
        self.used = {}  # those of the test under way

    def begin(self, text):
        """A tidegate that has this configuration from now on."""
        workers = int(re.search(r"\bworkers = (\d+);", str(text)).group(1))
        tg = self.used.get(workers)
        if tg is None or not tg.running():
            tg = self.resting.pop(workers, None) or self.start(self.rest(workers))
            tg.log.forget()
            tg.access.forget()
            self.used[workers] = tg
        tg.reload(text)
        tg.address = getattr(text, "address", None)
        return tg

    @staticmethod
    def rest(workers):
        """Nothing in it is of a test, so that all is new to the next one whatever its names are."""
        bind = f"{net.ADDRESS}:{net.free_port()}"
        return conf.Conf(f"""workers = {workers}; shutdown_grace = "1s";
            listeners = ( {{ name = "resting"; bind = "{bind}"; mode = "tcp"; service = "resting"; }} );
            services = ( {conf.service_entry("resting", ["127.0.0.1:9"])} );""")

    def end(self, failed):
        """After a test: its tidegates rest. Those where it failed are left to the end of the file."""
        used, self.used = self.used, {}
        for workers, tg in used.items():
            tg.close_clients()
            if failed or not tg.running():
                continue
            tg.reload(self.rest(workers))
            said = "\n".join(record["line"] for record in tg.log.records())
            assert not process.reports_in(said), "sanitizer report:\n" + said[-20000:]
            self.resting[workers] = tg
