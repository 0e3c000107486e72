"""A terminal of its own, by tmux: what a full-screen program shows there, and what it leaves."""

import os
import re
import shlex
import subprocess

from harness import process, settings

# Behind the program: how it ended, and whether the terminal's settings are as before.
_SCRIPT = """trap : INT QUIT
before=$(stty -g)
{command}
status=$?
[ "$(stty -g)" = "$before" ] && kept=kept || kept=changed
printf 'ended=%s terminal=%s\\n' $status $kept
read -r _"""


class Screen:
    """`argv` in a terminal of this size. `folder` takes tmux's socket."""

    def __init__(self, folder, argv, width=160, height=40, env=None):
        self.tmux = ["tmux", "-f", "/dev/null", "-S", f"{folder}/tmux"]
        script = _SCRIPT.format(command=" ".join(shlex.quote(str(word)) for word in argv))
        environment = {**process.SANITIZER_OPTIONS, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
                       "TERM": "xterm", "HOME": str(folder), **(env or {})}
        # The leak checker stops threads by a process of its own, which spins when its terminal goes away
        # meanwhile; the same code is checked for leaks where it runs without a terminal.
        environment["ASAN_OPTIONS"] += ":detect_leaks=0"
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            environment[name] = os.environ.get(name, environment[name])
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(width), "-y", str(height),
                        "sh", "-c", script], check=True, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, what):
        """A format of tmux: "#{alternate_on}"."""
        return subprocess.run([*self.tmux, "display-message", "-p", what], text=True, check=True,
                              capture_output=True).stdout.strip()

    def text(self, styles=False):
        """What is shown; with its escape sequences."""
        return subprocess.run([*self.tmux, "capture-pane", "-p", *(["-e"] if styles else [])],
                              text=True, check=False, capture_output=True).stdout

    def type(self, *keys):
        subprocess.run([*self.tmux, "send-keys", *keys], check=True)

    def resize(self, width, height):
        subprocess.run([*self.tmux, "resize-window", "-x", str(width), "-y", str(height)],
                       check=True)

    def pid(self):
        """Of the program."""
        return process.children(int(self.ask("#{pane_pid}")))[0]

    def wait(self, pattern, styles=False):
        """The match, when it is shown."""
        def shown():
            return re.search(pattern, self.text(styles))
        try:
            return settings.wait_until(shown, pattern)
        except AssertionError as failed:
            raise AssertionError(f"{failed}\n{self.text()}") from None

    def wait_end(self):
        """The exit status; the terminal must be as it was."""
        status = int(self.wait(r"ended=(\d+) terminal=kept").group(1))
        assert self.ask("#{alternate_on} #{cursor_flag}") == "0 1"
        return status

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)
