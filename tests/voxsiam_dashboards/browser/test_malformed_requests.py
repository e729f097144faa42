"""What no browser of ours would ask: answered with a refusal, and silence on the terminal."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.serve import serve

UPDATE = "/_dash-update-component"


def posted(body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/json", "Content-Length": len(content), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {UPDATE} HTTP/1.1\r\nHost: HOST\r\n{lines}\r\n".encode() + content


def asked(path):
    return b"GET " + path + b" HTTP/1.1\r\nHost: HOST\r\n\r\n"


OUTPUTS = [
    {"id": "content", "property": "children"},
    {"id": "tabs", "property": "children"},
    {"id": "drawn", "property": "data"},
    {"id": "live", "property": "children"},
]
NAVIGATION = "..content.children...tabs.children...drawn.data...live.children.."


def navigation(path, query: object = "", again=None, **more):
    values = (("address", "pathname", path), ("address", "search", query), ("again", "data", again))
    inputs = [{"id": id_, "property": name, "value": value} for id_, name, value in values]
    return posted(
        {"output": NAVIGATION, "outputs": OUTPUTS, "inputs": inputs, "changedPropIds": []} | more
    )


REQUESTS = {
    "no JSON": posted(b"{"),
    "bytes": posted(b"\xff\xfe\x00"),
    "nothing": posted(b""),
    "a number": posted(5),
    "a list": posted([]),
    "an object of nothing": posted({}),
    "an output that is none": posted({"output": "nobody.children", "inputs": []}),
    "an output that is a list": posted({"output": ["a"], "inputs": []}),
    "inputs that are none": posted({"output": NAVIGATION, "inputs": 5}),
    "lists inside lists": posted(b"[" * 100_000),
    "another kind of content": posted({}, **{"Content-Type": "text/plain"}),
    "a length that is none": posted({}, **{"Content-Length": "many"}),
    "a length below nothing": posted({}, **{"Content-Length": "-1"}),
    "a path that is a number": navigation(5),
    "a path that is an object": navigation({"a": 1}),
    "a query that is a list": navigation("/", [1]),
    "inputs that are missing": navigation("/", inputs=[]),
    "changes that are none": navigation("/", changedPropIds=5),
    "outputs that are none": navigation("/", outputs="x"),
    "bytes in the address": asked(b"/study/\xff\xfe"),
    "half a letter in the address": asked(b"/study/%ff%fe/%"),
    "an address of another kind": asked(b"http://[::1"),
    "a long address": asked(b"/" + b"a" * 60_000),
    "a very long address": asked(b"/" + b"a" * 70_000),
    "a null in the address": asked(b"/study/%00"),
    "a part of Dash that is none": asked(b"/_dash-component-suites/nobody/x.js"),
    "a part of Dash that leads out": asked(b"/_dash-component-suites/dash/../../x.js"),
    "a volume of nobody": asked(b"/volume/%00/facts?case=%ff"),
    "a table of nobody": asked(b"/download/99999999999999999999.csv/"),
    "no HTTP": b"hello\r\n\r\n",
    "another version of HTTP": b"GET / HTTP/9.9\r\nHost: HOST\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(200)),
    "a header that is none": b"GET / HTTP/1.1\r\nHost: HOST\r\n\x00\x01\xff\r\n\r\n",
    "a method that is none": b"BREW / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextmanager
def served(store, folder):
    port, up, links = free_port(), threading.Event(), []

    def ready(link):
        links.append(link)
        up.set()

    source = CachedStore(store[1], folder, "http://127.0.0.1:5000")
    threading.Thread(target=serve, args=(source, "127.0.0.1", port, ready), daemon=True).start()
    assert up.wait(60)
    yield port, links[0].partition("token=")[2]


@pytest.fixture(scope="module")
def server(store, tmp_path_factory):
    with served(store, tmp_path_factory.mktemp("reports")) as found:
        yield found


def status(server, request):
    port, token = server
    shown = f"127.0.0.1:{port}\r\nCookie: voxsiam-{port}={token}"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request.replace(b"HOST", shown.encode()))
        connection.shutdown(socket.SHUT_WR)
        first = connection.makefile("rb").readline()
    return int(first.split()[1]) if first.startswith(b"HTTP/") else None


@pytest.mark.parametrize("kind", REQUESTS)
def test_it_is_refused_without_a_traceback(server, capfd, kind):
    stranger = status((server[0], "wrong"), REQUESTS[kind])
    assert stranger is None or 400 <= stranger < 500 or stranger in (501, 505), stranger
    answer = status(server, REQUESTS[kind])
    # The page itself says that there is no such page; no answer is an answer to what is no HTTP.
    assert answer is None or answer < 500 or answer in (501, 505), answer
    assert capfd.readouterr() == ("", "")
    assert status(server, asked(b"/")) == 200


def test_a_sound_request_is_answered(server):
    assert status(server, navigation("/")) == 200
