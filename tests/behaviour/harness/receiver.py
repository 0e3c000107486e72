"""A web server that hooks are posted to: it keeps what came, and answers as it is told to."""

import hashlib
import hmac
import http.server
import json
import threading
import time

from harness import certificates, net, settings

SECRET = "a secret of the tests"


def is_signed(header, body, secret=SECRET):
    parts = dict(part.split("=", 1) for part in header.split(","))
    assert abs(time.time() - int(parts["t"])) < 60 * settings.TIMEOUT, header
    wanted = hmac.new(secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, parts["v1"])


class Receiver:
    """`events` are those that were answered with 204. Each request takes the next of `answers` first: a status,
    "hang" (until release()), "cut" (the answer ends in its middle); without one it is 204."""

    def __init__(self, address=net.ADDRESS, tls=None):
        """`tls`: the certificate and the key that it is known by."""
        self.events = []
        self.tries = []  # (path, headers, body) of every request
        self.answers = []
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer((address, 0), self._handler())
        self.server.daemon_threads = True
        self.scheme = "https" if tls else "http"
        if tls:
            certificates.listen_with(self.server, certificates.server_context(tls))
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def url(self, path="/tidegate", host=net.ADDRESS):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def answer(self, *answers):
        with self.lock:
            self.answers += answers

    def release(self):
        self.released.set()

    def stop(self):
        self.release()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _handler(receiver):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.tries.append((self.path, dict(self.headers), body))
                    answer = receiver.answers.pop(0) if receiver.answers else 204
                if answer == "hang":
                    receiver.released.wait(settings.TIMEOUT)
                    self.close_connection = True
                elif answer == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                    self.close_connection = True
                else:
                    if answer == 204:
                        receiver.events.append(json.loads(body))
                    self.send_response(answer)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_):
                pass
        return Handler

    def wait(self, holds, what):
        """Until this holds of an event; that event."""
        found = []

        def is_there():
            found[:] = [event for event in list(self.events) if holds(event)]
            return bool(found)
        settings.wait_until(is_there, what)
        return found[0]

    def wait_event(self, word, **wanted):
        return self.wait(lambda event: event["event"] == word and
                         all(event[key] == value for key, value in wanted.items()), f"{word} {wanted}")
