"""A hub on this machine: what the client of huggingface_hub asks for a public model, and no more."""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(models: dict[str, dict[str, bytes]], cut: dict[str, int] | None = None):
    """Serve `models`, repository -> file -> bytes. Yields (address, log of requests).

    Of a file in `cut` the first answer ends after so many bytes, as a connection that breaks does.
    """
    log: list[tuple[str, str, str]] = []
    cut = dict(cut or {})

    class Handler(BaseHTTPRequestHandler):
        # HTTP/1.0: a connection ends with its answer, so that none outlives the server.

        def log_message(self, *args):
            pass

        def answer(self, body: bytes, status=200, **headers):
            self.send_response(status)
            headers.setdefault("Content_Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            log.append((self.command, self.path, self.headers.get("Range", "")))
            path = self.path.split("?")[0]
            about = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
            file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            found = about or file
            if not found or found[1] not in models:
                return self.answer(b'{"error": "Repository not found"}', 404, X_Error_Code="RepoNotFound")
            files = models[found[1]]
            if about and about[3] not in (None, "main", COMMIT):
                return self.answer(b'{"error": "no such revision"}', 404, X_Error_Code="RevisionNotFound")
            if about and about[2] == "tree":
                entries = [
                    {"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                    for n, b in files.items()
                ]
                return self.answer(json.dumps(entries).encode(), Content_Type="application/json")
            if about:
                told = {"id": found[1], "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
                return self.answer(json.dumps(told).encode(), Content_Type="application/json")
            body = files[file[3]]
            headers = {
                "ETag": f'"{hashlib.sha256(body).hexdigest()}"',
                "X_Repo_Commit": COMMIT,
                "Accept_Ranges": "bytes",
            }
            begin = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if self.command == "GET" and begin:
                first = int(begin[1])
                headers["Content_Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
                return self.answer(body[first:], 206, **headers)
            if self.command == "GET" and file[3] in cut:
                part = body[: cut.pop(file[3])]
                self.answer(part, Content_Length=str(len(body)), **headers)
                self.close_connection = True
                return None
            return self.answer(body, **headers)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
