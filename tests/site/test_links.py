"""The weekly check of outside links, against a server of our own."""

import http.server
import threading

import links
import pytest


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server():
    started = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{started.server_port}"
    started.shutdown()
    started.server_close()


@pytest.mark.parametrize(("code", "said"), [(200, ""), (403, ""), (429, ""), (404, "answers 404"), (500, "answers 500")])
def test_an_address_that_does_not_exist_is_a_fault_and_a_shy_one_is_not(server, code, said):
    assert links.fault(f"{server}/{code}", wait=0) == said


def test_nobody_there_is_a_fault():
    assert links.fault("http://127.0.0.1:9/", wait=0).startswith("does not answer")


def test_each_outside_address_is_asked_once(tmp_path):
    (tmp_path / "a.html").write_text('<a href="https://x.org/p#1"></a><a href="https://x.org/p#2"></a><a href="b.html"></a>')
    (tmp_path / "b.html").write_text('<a href="https://x.org/p">')
    assert links.outward(tmp_path) == {"https://x.org/p": ["a.html", "b.html"]}
