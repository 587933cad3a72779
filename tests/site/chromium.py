"""A headless Chromium, spoken to over two pipes in its DevTools protocol: no driver, no package, no port.

    with Chromium(profile) as browser:
        page = browser.page()
        page.open("file:///.../index.html", width=360)
        page.run("document.title")

Messages are JSON, each ended by a zero byte; file descriptor 3 is the browser's ear and 4 its mouth.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
    # No name is looked up: whatever would leave the machine fails, and is counted.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


def find() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with an empty profile; `profile` is a folder that does not matter afterwards.

    Raises:
        RuntimeError: it ended, it answers with an error, or it does not answer within two minutes.
    """

    def __init__(self, profile: Path) -> None:
        path = find()
        if path is None:
            raise RuntimeError(f"no browser: none of {', '.join(NAMES)} is on the PATH. On Debian: apt-get install chromium.")
        ear, self._to = os.pipe()
        self._from, mouth = os.pipe()
        # Ours must not be the two numbers that the browser's ends get.
        ends = [os.dup2(ear, 200), os.dup2(mouth, 201)]

        def place() -> None:
            os.dup2(200, 3)
            os.dup2(201, 4)

        self._log = open(profile / "chromium.log", "wb")  # noqa: SIM115
        self.process = subprocess.Popen(
            [path, *FLAGS, f"--user-data-dir={profile / 'data'}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, pass_fds=(3, 4), preexec_fn=place,
        )  # fmt: skip
        for end in {ear, mouth, *ends}:
            os.close(end)
        self._rest, self._last, self.events = b"", 0, []

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._to)
        os.close(self._from)
        self._log.close()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come before it are kept in `events`."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read(120)
            if answer is None:
                raise RuntimeError(f"Chromium did not answer {method} within two minutes.")
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def read(self, seconds: float) -> dict[str, Any] | None:
        """The next message, or None if none comes in time."""
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            part = os.read(self._from, 1 << 20)
            if not part:
                raise RuntimeError(f"Chromium has ended. Its last words: {Path(self._log.name).read_text()[-500:]}")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def page(self) -> "Page":
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        return Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])


class Page:
    """A tab. `problems` has what the console and the network reported since the last `open`."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser, self.session, self._url = browser, session, ""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # The theme remembers light or dark; each page shall go by what is asked for.
        self.call("Page.addScriptToEvaluateOnNewDocument", source="try { localStorage.clear() } catch {}")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def open(self, url: str, width: int = 1280, height: int = 600, dark: bool = False) -> None:
        """Load a page and wait until it has loaded.

        Raises:
            RuntimeError: it does not load within two minutes.
        """
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        if url.split("#")[0] == self._url.split("#")[0]:  # from one hash to another nothing would load
            self.browser.events.clear()
            self.call("Page.navigate", url="about:blank")
            self._wait("Page.loadEventFired", url)
        self._url = url
        self.browser.events.clear()
        found = self.call("Page.navigate", url=url)
        if found.get("errorText"):
            raise RuntimeError(f"{url}: {found['errorText']}")
        self._wait("Page.loadEventFired", url)

    def _wait(self, event: str, url: str) -> None:
        end = time.monotonic() + 120
        while not any(message.get("method") == event for message in self.browser.events):
            message = self.browser.read(end - time.monotonic())
            if message is None:
                raise RuntimeError(f"{url} did not load within two minutes.")
            self.browser.events.append(message)

    def resize(self, width: int, height: int = 600) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited.

        Raises:
            RuntimeError: it throws.
        """
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:600])
        return found["result"].get("value")

    def key(self, key: str, **more: Any) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    @property
    def requests(self) -> list[str]:
        """What was asked for, since `open`."""
        return [
            message["params"]["request"]["url"]
            for message in self.browser.events
            if message.get("method") == "Network.requestWillBeSent"
        ]

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings on the console, exceptions, and loads that failed, since `open`."""
        said = []
        for message in self.browser.events:
            given = message.get("params", {})
            if message.get("method") == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
                said.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
            elif message.get("method") == "Runtime.exceptionThrown":
                said.append(json.dumps(given["exceptionDetails"].get("exception", given["exceptionDetails"]))[:300])
            elif message.get("method") == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
                said.append(" ".join(str(argument.get("value", "")) for argument in given["args"]))
            elif message.get("method") == "Network.loadingFailed" and not given.get("canceled"):
                said.append(f"not loaded: {given['errorText']}")
        return said

    def picture(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
