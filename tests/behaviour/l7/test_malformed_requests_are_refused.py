"""What is not valid HTTP/1.1 is refused, and nothing of it reaches a backend.

Each case is a row: name, the section it is about (RFC 9110, 9112 or 3986), the
bytes the client sends, and what must happen:

    400 ...          answered with that status and closed; the backend gets nothing
    forwarded(...)   the backend gets exactly these bytes
    cut(400)         the head was valid and may have been sent on, but the backend never
                     gets a complete request; answered with that status and closed

Every case runs three times: the bytes in one piece, one by one, and in two
pieces with the break inside a line end. The judge is a raw recording backend.
"""

import re

import pytest

from harness import client, conf, wire

HOST = b"Host: a.example"
ID = b"X-Request-Id: r"
CHUNKED = b"Transfer-Encoding: chunked"


class Forwarded:
    def __init__(self, raw):
        self.raw = raw


class Cut:
    def __init__(self, *statuses):
        self.statuses = statuses


def lines(*given, body=b""):
    return b"\r\n".join(given) + b"\r\n\r\n" + body


def req(*fields, line=b"GET /x HTTP/1.1", host=HOST, body=b""):
    """A request with these fields between Host and X-Request-Id."""
    return lines(line, *([host] if host else []), *fields, ID, body=body)


def target(path, method=b"GET"):
    return req(line=method + b" " + path + b" HTTP/1.1")


def post(*fields, body=b"", line=b"POST /x HTTP/1.1"):
    return req(*fields, line=line, body=body)


def chunks(body):
    return post(CHUNKED, body=body)


def forwarded(*fields, line=b"GET /x HTTP/1.1", host=HOST, body=b"", added=()):
    """What the backend gets: the fields in their order, then what the proxy writes itself."""
    return Forwarded(lines(line, *([host] if host else []), *fields, ID, *added, body=body))


def forwarded_chunks(body, *fields):
    return forwarded(*fields, line=b"POST /x HTTP/1.1", body=body, added=(CHUNKED,))


def forwarded_target(path, method=b"GET"):
    return forwarded(line=method + b" " + path + b" HTTP/1.1")


SENTINEL = req(line=b"GET /sentinel HTTP/1.1")
FORWARDED_SENTINEL = forwarded(line=b"GET /sentinel HTTP/1.1").raw


def cut(*statuses):
    return Cut(*statuses)


LINE_ENDS = [
    ("plain request", "9112 2.1", req(), forwarded()),
    ("LF ends the request line", "9112 2.2", req().replace(b"1.1\r\n", b"1.1\n"), 400),
    ("LF ends a field line", "9112 2.2", req(b"A: b").replace(b"A: b\r\n", b"A: b\n"), 400),
    ("LF ends the head", "9112 2.2", req()[:-2] + b"\n", 400),
    ("LF everywhere", "9112 2.2", req().replace(b"\r\n", b"\n"), 400),
    ("LF LF ends the head", "9112 2.2", req()[:-4] + b"\n\n", 400),
    ("LF CR", "9112 2.2", req(b"A: b").replace(b"A: b\r\n", b"A: b\n\r"), 400),
    ("CR in the request line", "9112 2.2", target(b"/x\ry"), 400),
    ("CR ends the request line", "9112 2.2", req().replace(b"1.1\r\n", b"1.1\r"), 400),
    ("CR ends a field line", "9112 2.2", req(b"A: b").replace(b"A: b\r\n", b"A: b\r"), 400),
    ("CR in a value", "9112 2.2", req(b"A: b\rc"), 400),
    ("CR before CR LF", "9112 2.2", req(b"A: b\r"), 400),
    ("CR hides a field", "9112 2.2", req(b"A: b\rTransfer-Encoding: chunked"), 400),
    ("CR CR instead of the empty line", "9112 2.2", req()[:-2] + b"\r\r\n", 400),
    ("one empty line before", "9112 2.2", b"\r\n" + req(), forwarded()),
    ("two empty lines before", "9112 2.2", b"\r\n\r\n" + req(), 400),
    ("LF before", "9112 2.2", b"\n" + req(), 400),
    ("CR before", "9112 2.2", b"\r" + req(), 400),
    ("white space line before", "9112 2.2", b" \r\n" + req(), 400),
    ("white space before the first field", "9112 2.2",
     lines(b"GET /x HTTP/1.1", b" A: b", HOST), 400),
]

REQUEST_LINE = [
    ("space before the method", "9112 3", b" " + req(), 400),
    ("tab before the method", "9112 3", b"\t" + req(), 400),
    ("two spaces after the method", "9112 3", req(line=b"GET  /x HTTP/1.1"), 400),
    ("tab after the method", "9112 3", req(line=b"GET\t/x HTTP/1.1"), 400),
    ("two spaces before the version", "9112 3", req(line=b"GET /x  HTTP/1.1"), 400),
    ("tab before the version", "9112 3", req(line=b"GET /x\tHTTP/1.1"), 400),
    ("space after the version", "9112 3", req(line=b"GET /x HTTP/1.1 "), 400),
    ("vertical tab after the method", "9112 3", req(line=b"GET\v/x HTTP/1.1"), 400),
    ("form feed before the version", "9112 3", req(line=b"GET /x\fHTTP/1.1"), 400),
    ("no version", "9112 3", lines(b"GET /x", HOST), 400),
    ("no target", "9112 3", req(line=b"GET HTTP/1.1"), 400),
    ("method alone", "9112 3", req(line=b"GET"), 400),
    ("no request line", "9112 3", lines(HOST), 400),
    ("a word too many", "9112 3", req(line=b"GET /x y HTTP/1.1"), 400),
    ("a second request line", "9112 3", req(line=b"GET /x HTTP/1.1 GET /y HTTP/1.1"), 400),
]

VERSION = [
    ("lower case", "9112 2.3", req(line=b"GET /x http/1.1"), 400),
    ("two digits", "9112 2.3", req(line=b"GET /x HTTP/1.10"), 400),
    ("zero before", "9112 2.3", req(line=b"GET /x HTTP/01.1"), 400),
    ("no minor", "9112 2.3", req(line=b"GET /x HTTP/1."), 400),
    ("no dot", "9112 2.3", req(line=b"GET /x HTTP/1"), 400),
    ("comma", "9112 2.3", req(line=b"GET /x HTTP/1,1"), 400),
    ("letter after", "9112 2.3", req(line=b"GET /x HTTP/1.1x"), 400),
    ("space inside", "9112 2.3", req(line=b"GET /x HTTP/ 1.1"), 400),
    ("other name", "9112 2.3", req(line=b"GET /x HTTQ/1.1"), 400),
    ("letters for digits", "9112 2.3", req(line=b"GET /x HTTP/a.b"), 400),
    ("minus", "9112 2.3", req(line=b"GET /x HTTP/-1.1"), 400),
    ("1.2", "9110 2.5", req(line=b"GET /x HTTP/1.2"), 505),
    ("1.9", "9110 2.5", req(line=b"GET /x HTTP/1.9"), 505),
    ("0.9", "9110 2.5", req(line=b"GET /x HTTP/0.9"), 505),
    ("2.0", "9110 15.6.6", req(line=b"GET /x HTTP/2.0"), 505),
    ("3.0", "9110 15.6.6", req(line=b"GET /x HTTP/3.0"), 505),
    ("HTTP/2 preface", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("TLS hello", "9112 2", bytes.fromhex("160301004a010000460303") + bytes(64) + b"\r\n\r\n", 400),
    ("1.0", "9110 2.5", req(b"A: b", line=b"GET /x HTTP/1.0"), forwarded(b"A: b")),
]

METHOD = [
    ("at sign", "9110 9.1", req(line=b"G@T /x HTTP/1.1"), 400),
    ("NUL", "9110 9.1", req(line=b"G\0T /x HTTP/1.1"), 400),
    ("parenthesis", "9110 9.1", req(line=b"G(T /x HTTP/1.1"), 400),
    ("slash", "9110 9.1", req(line=b"GE/T /x HTTP/1.1"), 400),
    ("colon", "9110 9.1", req(line=b"GET: /x HTTP/1.1"), 400),
    ("not ASCII", "9110 9.1", req(line=b"G\xc9T /x HTTP/1.1"), 400),
    ("control character", "9110 9.1", req(line=b"G\x01T /x HTTP/1.1"), 400),
    ("quotes", "9110 9.1", req(line=b'"GET" /x HTTP/1.1'), 400),
    ("unknown", "9110 15.6.2", req(line=b"BREW /x HTTP/1.1"), 501),
    ("unknown with every token character", "9110 5.6.2",
     req(line=b"A!#$%&'*+-.^_`|~9 /x HTTP/1.1"), 501),
    ("lower case", "9110 9.1", req(line=b"get /x HTTP/1.1"), 501),
    ("prefix of a known one", "9110 9.1", req(line=b"GE /x HTTP/1.1"), 501),
    ("longer than a known one", "9110 9.1", req(line=b"GETS /x HTTP/1.1"), 501),
    ("200 letters", "9110 9.1", req(line=b"A" * 200 + b" /x HTTP/1.1"), 501),
    ("CONNECT", "9110 9.3.6", req(line=b"CONNECT a.example:443 HTTP/1.1"), 501),
    ("CONNECT with a path", "9110 9.3.6", req(line=b"CONNECT /x HTTP/1.1"), 501),
    ("PATCH", "5789 2", target(b"/x", b"PATCH"), forwarded_target(b"/x", b"PATCH")),
    ("PROPFIND", "4918 9.1", target(b"/x", b"PROPFIND"), forwarded_target(b"/x", b"PROPFIND")),
    ("DELETE", "9110 9.3.5", target(b"/x", b"DELETE"), forwarded_target(b"/x", b"DELETE")),
]

TARGET = [
    ("fragment", "9112 3.2", target(b"/x#y"), 400),
    ("fragment in the query", "9112 3.2", target(b"/x?y#z"), 400),
    ("not ASCII", "3986 2", target(b"/\xc3\xa9"), 400),
    ("not ASCII in the query", "3986 2", target(b"/x?\xc3\xa9"), 400),
    ("NUL", "3986 2", target(b"/x\0y"), 400),
    ("control character", "3986 2", target(b"/x\x01y"), 400),
    ("DEL", "3986 2", target(b"/x\x7fy"), 400),
    ("tab", "3986 2", target(b"/x\ty"), 400),
    ("double quote", "3986 2", target(b'/"x"'), 400),
    ("angle brackets", "3986 2", target(b"/<x>"), 400),
    ("angle brackets in the query", "3986 2", target(b"/x?<y>"), 400),
    ("backslash", "3986 2", target(b"/..\\x"), 400),
    ("no slash", "9112 3.2.1", target(b"x"), 400),
    ("question mark alone", "9112 3.2.1", target(b"?x"), 400),
    ("dots without a slash", "9112 3.2.1", target(b"../x"), 400),
    ("asterisk with GET", "9112 3.2.4", target(b"*"), 400),
    ("asterisk and more", "9112 3.2.4", target(b"*x", b"OPTIONS"), 400),
    ("escaped NUL", "3986 2.1", target(b"/x%00y"), 400),
    ("percent at the end", "3986 2.1", target(b"/x%"), 400),
    ("one digit at the end", "3986 2.1", target(b"/x%4"), 400),
    ("one digit and a slash", "3986 2.1", target(b"/x%4/y"), 400),
    ("not hexadecimal", "3986 2.1", target(b"/x%zzy"), 400),
    ("%u", "3986 2.1", target(b"/x%u0041"), 400),
    ("dots above the root", "3986 5.2.4", target(b"/../x"), 400),
    ("dots above the root later", "3986 5.2.4", target(b"/a/b/../../../x"), 400),
    ("escaped dots above the root", "3986 6.2.2.2", target(b"/%2e%2e/x"), 400),
    ("half escaped dots above the root", "3986 6.2.2.2", target(b"/.%2E/x"), 400),
    ("dots", "3986 5.2.4", target(b"/a/../x"), forwarded_target(b"/x")),
    ("dot", "3986 5.2.4", target(b"/./a/./x"), forwarded_target(b"/a/x")),
    ("dots at the end", "3986 5.2.4", target(b"/a/b/.."), forwarded_target(b"/a/")),
    ("dot at the end", "3986 5.2.4", target(b"/a/."), forwarded_target(b"/a/")),
    ("dots to the root", "3986 5.2.4", target(b"/a/.."), forwarded_target(b"/")),
    ("escaped dots", "3986 6.2.2.2", target(b"/a/%2e%2E/x"), forwarded_target(b"/x")),
    ("escaped letters", "3986 6.2.2.2", target(b"/%41%7eb"), forwarded_target(b"/A~b")),
    ("escaped twice stays escaped once", "3986 2.4",
     target(b"/%252e%252e/x"), forwarded_target(b"/%252e%252e/x")),
    ("escapes in upper case", "3986 6.2.2.1", target(b"/a%2fb%c3"), forwarded_target(b"/a%2Fb%C3")),
    ("three dots are a name", "3986 5.2.4", target(b"/.../x"), forwarded_target(b"/.../x")),
    ("empty segments stay", "3986 3.3", target(b"//x///y"), forwarded_target(b"//x///y")),
    ("dots in the query stay", "3986 3.4", target(b"/x?a=/../b"), forwarded_target(b"/x?a=/../b")),
    ("empty query stays", "3986 3.4", target(b"/x?"), forwarded_target(b"/x?")),
    ("brackets in the query", "3986 3.4", target(b"/x?a[0]={|}"), forwarded_target(b"/x?a[0]={|}")),
    ("too long", "9110 15.5.15", target(b"/" + b"a" * 20000), 414),
    ("too long, never ending", "9110 15.5.15", b"GET /" + b"a" * 40000, 414),
]

ABSOLUTE = [
    ("host of the target wins", "9112 3.2.2", target(b"http://b.example/x"),
     forwarded(host=b"Host: b.example")),
    ("port", "9112 3.2.2", target(b"http://b.example:81/x"), forwarded(host=b"Host: b.example:81")),
    ("scheme in upper case", "3986 6.2.2.1", target(b"HTTP://b.example/x"),
     forwarded(host=b"Host: b.example")),
    ("no path", "9112 3.2.2", target(b"http://b.example"),
     forwarded(line=b"GET / HTTP/1.1", host=b"Host: b.example")),
    ("query without a path", "9112 3.2.1", target(b"http://b.example?y"),
     forwarded(line=b"GET /?y HTTP/1.1", host=b"Host: b.example")),
    ("no host", "9110 4.2.1", target(b"http:///x"), 400),
    ("user", "9110 4.2.4", target(b"http://u@b.example/x"), 400),
    ("user and password", "9110 4.2.4", target(b"http://u:p@b.example/x"), 400),
    ("backslash host", "3986 3.2.2", target(b"http://a\\b/x"), 400),
    ("bad port", "3986 3.2.3", target(b"http://b.example:x/"), 400),
    ("no slashes", "9110 4.2.1", target(b"http:b.example/x"), 400),
    ("other scheme", "9110 4.2", target(b"ftp://b.example/x"), 400),
    ("fragment", "9112 3.2.2", target(b"http://b.example/x#y"), 400),
    ("escapes the root", "3986 5.2.4", target(b"http://b.example/../x"), 400),
    ("without Host", "9112 3.2", req(line=b"GET http://b.example/x HTTP/1.1", host=None), 400),
    ("with a bad Host", "9112 3.2",
     req(line=b"GET http://b.example/x HTTP/1.1", host=b"Host: a b"), 400),
]


def host(value):
    return req(host=b"Host: " + value)


def forwarded_host(value):
    return forwarded(host=b"Host: " + value)


HOSTS = [
    ("none", "9112 3.2", req(host=None), 400),
    ("empty", "9112 3.2", req(host=b"Host:"), 400),
    ("twice the same", "9112 3.2", req(HOST), 400),
    ("twice", "9112 3.2", req(b"Host: b.example"), 400),
    ("twice, other case", "9112 3.2", req(b"hOST: b.example"), 400),
    ("twice in 1.0", "9112 3.2", req(b"Host: b.example", line=b"GET /x HTTP/1.0"), 400),
    ("space inside", "9110 7.2", host(b"a b"), 400),
    ("tab inside", "9110 7.2", host(b"a\tb"), 400),
    ("list", "9110 7.2", host(b"a.example, b.example"), 400),
    ("comma", "9110 7.2", host(b"a,b"), 400),
    ("path", "9110 7.2", host(b"a.example/x"), 400),
    ("query", "9110 7.2", host(b"a.example?x"), 400),
    ("fragment", "9110 7.2", host(b"a.example#x"), 400),
    ("user", "9110 7.2", host(b"u@a.example"), 400),
    ("scheme", "9110 7.2", host(b"http://a.example"), 400),
    ("backslash", "9110 7.2", host(b"a\\b"), 400),
    ("angle brackets", "9110 7.2", host(b"<a>"), 400),
    ("not ASCII", "9110 7.2", host(b"\xe4.example"), 400),
    ("percent", "9110 7.2", host(b"a%20b"), 400),
    ("NUL", "9110 7.2", host(b"a\0b"), 400),
    ("port of letters", "3986 3.2.3", host(b"a.example:x"), 400),
    ("port and letters", "3986 3.2.3", host(b"a.example:80x"), 400),
    ("port with a sign", "3986 3.2.3", host(b"a.example:+80"), 400),
    ("two ports", "3986 3.2.3", host(b"a.example:80:80"), 400),
    ("port 65536", "3986 3.2.3", host(b"a.example:65536"), 400),
    ("port alone", "3986 3.2.2", host(b":80"), 400),
    ("bracket not closed", "3986 3.2.2", host(b"[::1"), 400),
    ("bracket with a name", "3986 3.2.2", host(b"[a.example]"), 400),
    ("bracket and more", "3986 3.2.2", host(b"[::1]x"), 400),
    ("bad IPv6", "3986 3.2.2", host(b"[::g]"), 400),
    ("IPv6 without brackets", "3986 3.2.2", host(b"::1"), 400),
    ("IPv6", "3986 3.2.2", host(b"[::1]"), forwarded_host(b"[::1]")),
    ("IPv6 and port", "3986 3.2.2", host(b"[2001:db8::1]:8080"),
     forwarded_host(b"[2001:db8::1]:8080")),
    ("IPv4 and port", "3986 3.2.2", host(b"192.0.2.1:80"), forwarded_host(b"192.0.2.1:80")),
    ("final dot", "3986 3.2.2", host(b"a.example."), forwarded_host(b"a.example.")),
    ("upper case", "3986 6.2.2.1", host(b"A.Example"), forwarded_host(b"A.Example")),
]

FIELDS = [
    ("space before the colon", "9112 5.1", req(b"A : b"), 400),
    ("tab before the colon", "9112 5.1", req(b"A\t: b"), 400),
    ("space before the colon of Host", "9112 5.1", req(host=b"Host : a.example"), 400),
    ("folded by a space", "9112 5.2", req(b"A: b", b" c"), 400),
    ("folded by a tab", "9112 5.2", req(b"A: b", b"\tc"), 400),
    ("folded value after an empty first line", "9112 5.2", req(b"A:", b" b"), 400),
    ("folded to nothing", "9112 5.2", req(b"A: b", b" "), 400),
    ("folded Transfer-Encoding", "9112 5.2", req(b"Transfer-Encoding:", b" chunked"), 400),
    ("no colon", "9112 5", req(b"A b"), 400),
    ("a word alone", "9112 5", req(b"A"), 400),
    ("empty name", "9110 5.1", req(b": b"), 400),
    ("space in the name", "9110 5.1", req(b"A B: c"), 400),
    ("parentheses in the name", "9110 5.1", req(b"(A): b"), 400),
    ("at sign in the name", "9110 5.1", req(b"A@B: c"), 400),
    ("slash in the name", "9110 5.1", req(b"A/B: c"), 400),
    ("quotes in the name", "9110 5.1", req(b'"A": b'), 400),
    ("brackets in the name", "9110 5.1", req(b"A[]: b"), 400),
    ("NUL in the name", "9110 5.1", req(b"A\0B: c"), 400),
    ("DEL in the name", "9110 5.1", req(b"A\x7f: c"), 400),
    ("control character in the name", "9110 5.1", req(b"A\x02: c"), 400),
    ("not ASCII in the name", "9110 5.1", req(b"A\xe9: b"), 400),
    ("NUL in the value", "9110 5.5", req(b"A: b\0c"), 400),
    ("control character in the value", "9110 5.5", req(b"A: b\x01c"), 400),
    ("backspace in the value", "9110 5.5", req(b"A: b\x08c"), 400),
    ("escape in the value", "9110 5.5", req(b"A: \x1b[1m"), 400),
    ("vertical tab in the value", "9110 5.5", req(b"A: b\vc"), 400),
    ("form feed in the value", "9110 5.5", req(b"A: b\fc"), 400),
    ("DEL in the value", "9110 5.5", req(b"A: b\x7fc"), 400),
    ("tab in the value", "9110 5.5", req(b"A: b\tc"), forwarded(b"A: b\tc")),
    ("obs-text in the value", "9110 5.5", req(b"A: \x80\xe9\xff"), forwarded(b"A: \x80\xe9\xff")),
    ("empty value", "9110 5.5", req(b"A:"), forwarded(b"A:")),
    ("white space around the value", "9110 5.5", req(b"A: \t b \t"), forwarded(b"A: \t b \t")),
    ("no space after the colon", "9112 5", req(b"A:b"), forwarded(b"A:b")),
    ("colons in the value", "9112 5", req(b"A: b:c:"), forwarded(b"A: b:c:")),
    ("every token character in the name", "9110 5.1",
     req(b"A!#$%&'*+-.^`|~9: b"), forwarded(b"A!#$%&'*+-.^`|~9: b")),
    ("repeated fields keep their order", "9110 5.3",
     req(b"A: 1", b"B: 2", b"a: 3"), forwarded(b"A: 1", b"B: 2", b"a: 3")),
    ("underscore", "9110 5.1", req(b"X_A: b"), forwarded()),
    ("underscore for Content-Length", "9110 5.1", req(b"Content_Length: 5"), forwarded()),
    ("underscore for Transfer-Encoding", "9110 5.1", req(b"Transfer_Encoding: chunked"),
     forwarded()),
    ("underscore for X-Forwarded-For", "9110 5.1", req(b"X_Forwarded_For: 192.0.2.1"),
     forwarded()),
    ("unknown expectation", "9110 10.1.1", req(b"Expect: 200-ok"), 417),
    ("expectation and more", "9110 10.1.1", req(b"Expect: 100-continue, x=y"), 417),
    ("Connection names Content-Length", "9110 7.6.1",
     post(b"Connection: content-length", b"Content-Length: 2", body=b"ab"), 400),
    ("Connection names Transfer-Encoding", "9110 7.6.1",
     post(b"Connection: transfer-encoding", CHUNKED, body=b"0\r\n\r\n"), 400),
    ("Connection names Host", "9110 7.6.1", req(b"Connection: host"), 400),
    ("Connection names no token", "9110 7.6.1", req(b"Connection: a b"), 400),
    ("h2c is not asked for", "9113 3.1",
     req(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
     forwarded()),
    ("one field too many", "6585 5", req(*[b"A%d: b" % i for i in range(100)]), 431),
    ("head too long", "6585 5", req(b"A: " + b"b" * 40000), 431),
    ("head too long, never ending", "6585 5", req()[:-2] + b"A: " + b"b" * 80000, 431),
]


def length(value, body=b"hello"):
    return post(b"Content-Length: " + value, body=body)


CONTENT_LENGTH = [
    ("a body", "9112 6.2", length(b"5"),
     forwarded(b"Content-Length: 5", line=b"POST /x HTTP/1.1", body=b"hello")),
    ("no body", "9112 6.2", length(b"0", b""),
     forwarded(b"Content-Length: 0", line=b"POST /x HTTP/1.1")),
    ("a body with GET", "9110 9.3.1", req(b"Content-Length: 2", body=b"ab"),
     forwarded(b"Content-Length: 2", body=b"ab")),
    ("white space around", "9110 5.5", length(b"  5  "),
     forwarded(b"Content-Length:   5  ", line=b"POST /x HTTP/1.1", body=b"hello")),
    ("twice the same", "9112 6.3", post(b"Content-Length: 5", b"Content-Length: 5",
                                        body=b"hello"), 400),
    ("twice", "9112 6.3", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"), 400),
    ("twice, other case", "9112 6.3",
     post(b"Content-Length: 5", b"content-length: 4", body=b"hello"), 400),
    ("list of equals", "9110 8.6", length(b"5, 5"), 400),
    ("list", "9110 8.6", length(b"5, 6"), 400),
    ("empty", "9110 8.6", length(b""), 400),
    ("comma", "9110 8.6", length(b"5,"), 400),
    ("plus", "9110 8.6", length(b"+5"), 400),
    ("minus", "9110 8.6", length(b"-5"), 400),
    ("hexadecimal", "9110 8.6", length(b"0x5"), 400),
    ("fraction", "9110 8.6", length(b"5.0"), 400),
    ("exponent", "9110 8.6", length(b"5e0"), 400),
    ("letter after", "9110 8.6", length(b"5a"), 400),
    ("word", "9110 8.6", length(b"five"), 400),
    ("space inside", "9110 8.6", length(b"1 0"), 400),
    ("quoted", "9110 8.6", length(b'"5"'), 400),
    ("not ASCII digits", "9110 8.6", length(b"\xd9\xa5"), 400),
    ("2^64", "9110 8.6", length(b"18446744073709551616"), 400),
    ("2^64 + 5", "9110 8.6", length(b"18446744073709551621"), 400),
    ("40 digits", "9110 8.6", length(b"9" * 40), 400),
    ("NUL", "9110 8.6", length(b"5\0"), 400),
    ("space before the colon", "9112 5.1", post(b"Content-Length : 5", body=b"hello"), 400),
    ("past the limit", "9110 15.5.14", length(b"1048577"), 413),
]


def coding(value, *more, body=b"0\r\n\r\n"):
    return post(b"Transfer-Encoding: " + value, *more, body=body)


TRANSFER_ENCODING = [
    ("with Content-Length after", "9112 6.1",
     coding(b"chunked", b"Content-Length: 5"), 400),
    ("with Content-Length before", "9112 6.1",
     post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"), 400),
    ("with Content-Length 0", "9112 6.1", coding(b"chunked", b"Content-Length: 0"), 400),
    ("unknown, with Content-Length", "9112 6.1",
     post(b"Content-Length: 5", b"Transfer-Encoding: cow", body=b"hello"), 400),
    ("in 1.0", "9112 6.1",
     post(CHUNKED, line=b"POST /x HTTP/1.0", body=b"0\r\n\r\n"), 400),
    ("in 1.0 with Content-Length", "9112 6.1",
     post(CHUNKED, b"Content-Length: 5", line=b"POST /x HTTP/1.0", body=b"0\r\n\r\n"), 400),
    ("gzip", "9112 6.1", coding(b"gzip"), 501),
    ("gzip, chunked", "9112 7", coding(b"gzip, chunked"), 501),
    ("identity", "9112 7", coding(b"identity"), 501),
    ("unknown", "9112 7", coding(b"cow"), 501),
    ("longer word", "9112 7", coding(b"chunkedx"), 501),
    ("word before", "9112 7", coding(b"xchunked"), 501),
    ("parameter", "9112 7", coding(b"chunked;q=1"), 501),
    ("chunked twice", "9112 6.1", coding(b"chunked, chunked"), 400),
    ("two fields", "9112 6.1", coding(b"chunked", CHUNKED), 400),
    ("chunked and identity fields", "9112 6.1",
     coding(b"chunked", b"Transfer-Encoding: identity"), 400),
    ("empty", "9112 6.1", coding(b""), 400),
    ("commas alone", "9112 6.1", coding(b", ,"), 400),
    ("quoted", "9112 7", coding(b'"chunked"'), 400),
    ("vertical tab before", "9110 5.5", coding(b"\vchunked"), 400),
    ("NUL after", "9110 5.5", coding(b"chunked\0"), 400),
    ("not ASCII after", "9112 7", coding(b"chunked\xa0"), 501),
    ("space before the colon", "9112 5.1",
     post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    ("folded", "9112 5.2", coding(b"", b" chunked"), 400),
    ("other case", "9112 7", coding(b"Chunked"), forwarded_chunks(b"0\r\n\r\n")),
    ("space after", "9110 5.5", coding(b"chunked \t"), forwarded_chunks(b"0\r\n\r\n")),
    ("with GET", "9110 9.3.1", req(CHUNKED, body=b"2\r\nab\r\n0\r\n\r\n"),
     forwarded(body=b"2\r\nab\r\n0\r\n\r\n", added=(CHUNKED,))),
]

CHUNKS = [
    ("two chunks", "9112 7.1", chunks(b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"),
     forwarded_chunks(b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n")),
    ("zeros before", "9112 7.1", chunks(b"0005\r\nhello\r\n000\r\n\r\n"),
     forwarded_chunks(b"0005\r\nhello\r\n000\r\n\r\n")),
    ("16 digits", "9112 7.1", chunks(b"0000000000000005\r\nhello\r\n0\r\n\r\n"),
     forwarded_chunks(b"0000000000000005\r\nhello\r\n0\r\n\r\n")),
    ("17 digits", "9112 7.1", chunks(b"00000000000000005\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("17 zeros", "9112 7.1", chunks(b"5\r\nhello\r\n" + b"0" * 17 + b"\r\n\r\n"), cut(400)),
    ("zeros without an end", "9112 7.1", chunks(b"0" * 50000), cut(400)),
    ("extension", "9112 7.1.1", chunks(b"5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n"),
     forwarded_chunks(b"5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n")),
    ("trailers", "9112 7.1.2", chunks(b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
     forwarded_chunks(b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n")),
    ("no size", "9112 7.1", chunks(b"\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("size of letters", "9112 7.1", chunks(b"xyz\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("letter after the size", "9112 7.1", chunks(b"5g\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("0x before the size", "9112 7.1", chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("plus before the size", "9112 7.1", chunks(b"+5\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("minus before the size", "9112 7.1", chunks(b"-5\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("space before the size", "9112 7.1", chunks(b" 5\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("space after the size", "9112 7.1", chunks(b"5 \r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("tab after the size", "9112 7.1", chunks(b"5\t\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("space before the extension", "9112 7.1.1", chunks(b"5 ;a\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("comma after the size", "9112 7.1", chunks(b"5,\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("NUL after the size", "9112 7.1", chunks(b"5\0\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("size past 64 bits", "9112 7.1", chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
     cut(400, 413)),
    ("size of 2^64 - 1", "9112 7.1", chunks(b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
     cut(400, 413)),
    ("size past the limit", "9110 15.5.14", chunks(b"100001\r\nhello\r\n0\r\n\r\n"), cut(413)),
    ("LF after the size", "9112 7.1", chunks(b"5\nhello\r\n0\r\n\r\n"), cut(400)),
    ("CR after the size", "9112 7.1", chunks(b"5\rhello\r\n0\r\n\r\n"), cut(400)),
    ("LF CR after the size", "9112 7.1", chunks(b"5\n\rhello\r\n0\r\n\r\n"), cut(400)),
    ("LF after the data", "9112 7.1", chunks(b"5\r\nhello\n0\r\n\r\n"), cut(400)),
    ("CR after the data", "9112 7.1", chunks(b"5\r\nhello\r0\r\n\r\n"), cut(400)),
    ("nothing after the data", "9112 7.1", chunks(b"5\r\nhello0\r\n\r\n"), cut(400)),
    ("data longer than its size", "9112 7.1", chunks(b"4\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("data shorter than its size", "9112 7.1", chunks(b"8\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("LF after the last chunk", "9112 7.1", chunks(b"5\r\nhello\r\n0\n\r\n"), cut(400)),
    ("LF ends the body", "9112 7.1", chunks(b"5\r\nhello\r\n0\r\n\n"), cut(400)),
    ("letters end the body", "9112 7.1", chunks(b"5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
     cut(400)),
    ("LF in an extension", "9112 7.1.1", chunks(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("CR in an extension", "9112 7.1.1", chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("NUL in an extension", "9112 7.1.1", chunks(b"5;a\0\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("long extension", "9112 7.1.1",
     chunks(b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n"), cut(400)),
    ("trailer without a colon", "9112 7.1.2", chunks(b"0\r\nAb\r\n\r\n"), cut(400)),
    ("trailer without a name", "9112 7.1.2", chunks(b"0\r\n: b\r\n\r\n"), cut(400)),
    ("trailer with a space before the colon", "9112 7.1.2", chunks(b"0\r\nA : b\r\n\r\n"),
     cut(400)),
    ("folded trailer", "9112 5.2", chunks(b"0\r\nA: b\r\n c\r\n\r\n"), cut(400)),
    ("LF after a trailer", "9112 7.1.2", chunks(b"0\r\nA: b\n\r\n"), cut(400)),
    ("CR in a trailer", "9112 7.1.2", chunks(b"0\r\nA: b\rc\r\n\r\n"), cut(400)),
    ("NUL in a trailer", "9110 5.5", chunks(b"0\r\nA: b\0\r\n\r\n"), cut(400)),
    ("Content-Length in the trailers", "9110 6.5.1",
     chunks(b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"), cut(400)),
    ("Transfer-Encoding in the trailers", "9110 6.5.1",
     chunks(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), cut(400)),
    ("Host in the trailers", "9110 6.5.1",
     chunks(b"5\r\nhello\r\n0\r\nHost: b.example\r\n\r\n"), cut(400)),
    ("X-Forwarded-For in the trailers", "9110 6.5.1",
     chunks(b"5\r\nhello\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"), cut(400)),
    ("other X-Forwarded name in the trailers", "9110 6.5.1",
     chunks(b"5\r\nhello\r\n0\r\nX-Forwarded-Ssl: on\r\n\r\n"), cut(400)),
    ("long X-Forwarded name in the trailers", "9110 6.5.1",
     chunks(b"0\r\nX-Forwarded-" + b"a" * 100 + b": on\r\n\r\n"), cut(400)),
    ("underscore in a trailer name", "9110 6.5.1",
     chunks(b"5\r\nhello\r\n0\r\nX_Forwarded_For: 192.0.2.1\r\n\r\n"), cut(400)),
    ("underscore in a second trailer name", "9110 6.5.1",
     chunks(b"0\r\nA: b_c\r\n" + b"a" * 100 + b"_: on\r\n\r\n"), cut(400)),
    ("underscore in a trailer value", "9110 6.5.1", chunks(b"0\r\nA: b_c\r\nD: e\r\n\r\n"),
     forwarded_chunks(b"0\r\nA: b_c\r\nD: e\r\n\r\n")),
    ("trailers without an end", "9112 7.1.2",
     chunks(b"0\r\n" + b"A: b\r\n" * 20000), cut(400, 431)),
]

TABLES = [("line ends", LINE_ENDS), ("request line", REQUEST_LINE), ("version", VERSION),
          ("method", METHOD), ("target", TARGET), ("absolute form", ABSOLUTE), ("Host", HOSTS),
          ("fields", FIELDS), ("Content-Length", CONTENT_LENGTH),
          ("Transfer-Encoding", TRANSFER_ENCODING), ("chunks", CHUNKS)]

CASES = [pytest.param(raw, expected, id=re.sub(r"[^A-Za-z0-9]+", "-", f"{table} {name}"))
         for table, cases in TABLES for name, _section, raw, expected in cases]


def in_one(raw):
    return [raw]


def byte_by_byte(raw):
    """The first 600 bytes one by one: the rest of a long case adds nothing but time."""
    return [raw[i:i + 1] for i in range(min(len(raw), 600))] + [raw[600:]]


def at_a_line_end(raw):
    """Two pieces; the first ends between the last CR and its LF."""
    at = max(raw.rfind(b"\r") + 1, 1)
    return [raw[:at], raw[at:]]


@pytest.fixture(scope="module")
def backend(module_backend):
    return module_backend()


@pytest.fixture(scope="module")
def front(module_tidegate, backend):
    """No idle connections: each request comes on one of its own, in order, and that one ends."""
    return module_tidegate(conf.http(backend, listener='forwarded = "off";', workers=1,
                                     service="idle_connections = 0;",
                                     top='log = { access = "off"; };'))


def send_case(front, pieces):
    """What came back: the answers' statuses, and whether tidegate closed by itself."""
    peer = client.RawClient(front.address)
    try:
        peer.try_send(*[piece for piece in pieces if piece])
        try:
            answer = peer.read_answer()
        except wire.Closed:
            return None, peer
        return answer, peer
    except BaseException:
        peer.close()
        raise


def assert_only_sentinel(front, backend, allowed=lambda before: not before):
    """A good request passes after the case; before it came only what is allowed."""
    assert front.exchange(SENTINEL).status == 200
    backend.wait_closed()
    *before, last = [bytes(conn.received) for conn in backend.connections]
    assert last == FORWARDED_SENTINEL
    assert all(allowed(got) for got in before), f"reached the backend: {before!r}"


def is_incomplete(head, raw):
    """Whether these bytes are no whole request: nothing, or a part of one chunked request."""
    if b"\r\n\r\n" not in raw:
        return True
    body = raw.split(b"\r\n\r\n", 1)[1]
    return raw.startswith(head) and not re.search(rb"(^|\r\n)0+(;[^\r\n]*)?\r\n.*\r\n\r\n|"
                                                  rb"(^|\r\n)0+(;[^\r\n]*)?\r\n\r\n", body, re.S)


def assert_closed(peer, answer):
    assert peer.read_to_end() == b"", "more than one answer"
    assert answer.complete
    peer.close()


@pytest.mark.parametrize("raw, expected", CASES)
def test_case(front, backend, raw, expected):
    """However it is cut up on the way."""
    backend.forget()
    for cut_up in (in_one, byte_by_byte, at_a_line_end):
        try:
            judge_case(front, backend, cut_up(raw), expected)
        except AssertionError as failed:
            raise AssertionError(f"{cut_up.__name__}: {failed}") from failed
    if isinstance(expected, Cut):
        head = forwarded_chunks(b"").raw
        assert_only_sentinel(front, backend, lambda before: is_incomplete(head, before))
    elif not isinstance(expected, Forwarded):
        assert_only_sentinel(front, backend)


def judge_case(front, backend, pieces, expected):
    answer, peer = send_case(front, pieces)
    assert answer is not None, f"closed without an answer ({peer.ended})"
    if isinstance(expected, Forwarded):
        assert answer.status == 200, answer.raw
        peer.close()
        backend.wait_closed()
        assert backend.received == expected.raw
        backend.forget()
    else:
        assert answer.status in (expected.statuses if isinstance(expected, Cut) else (expected,)), answer.raw
        assert_closed(peer, answer)


def test_there_are_enough_cases():
    names = [case.id for case in CASES]
    assert len(names) == len(set(names)) >= 120


def test_a_head_cut_off_by_the_client_reaches_no_backend(front, backend):
    backend.forget()
    for n in range(1, len(req())):
        peer = client.RawClient(front.address).send(req()[:n])
        peer.finish_sending()
        peer.read_to_end()
        peer.close()
    assert_only_sentinel(front, backend)


def test_a_body_cut_off_by_the_client_is_no_whole_request(front, backend):
    backend.forget()
    peer = client.RawClient(front.address).send(length(b"5", b"hel"))
    peer.finish_sending()
    peer.read_to_end()
    peer.close()
    assert_only_sentinel(front, backend, lambda before: not before.endswith(b"hello"))


@pytest.mark.parametrize("raw, status", [
    (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    (b"GET / HTTP/3.0\r\n", 505),
    (b"GET / HTTP/1.1 \r\nHost:", 400),
    (b"\r\n\r\n", 400),
], ids=["TLS", "SSH", "version", "space", "two empty lines"])
def test_what_cannot_become_a_request_is_refused_at_once(front, backend, raw, status):
    """Nobody waits for an end of a head that does not come."""
    backend.forget()
    peer = client.RawClient(front.address).send(raw)
    answer = peer.read_answer()
    assert answer.status == status
    assert_closed(peer, answer)
    assert_only_sentinel(front, backend)
