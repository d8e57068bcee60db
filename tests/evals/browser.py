"""A real headless Chromium, driven over its DevTools pipe: what a page looks like, asks for, and complains about."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Data = dict[str, Any]

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


@dataclass
class Browser:
    """One tab. `events` are those that were heard, by method."""

    to: int
    heard: Any
    session: str = ""
    events: list[Data] = field(default_factory=list)
    _sent: int = 0

    def ask(self, method: str, **params: Any) -> Data:
        """Call a method of the DevTools protocol and return its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (found := self._hear()).get("id") != self._sent:
            pass
        assert "error" not in found, found
        return dict(found["result"])

    def _hear(self) -> Data:
        raw = bytearray()
        while (byte := self.heard.read(1)) != b"\0":
            assert byte, "the browser went away"
            raw += byte
        message: Data = json.loads(raw)
        if "method" in message:
            self.events.append(message)
        return message

    def wait(self, method: str) -> Data:
        """The next event of a method."""
        while True:
            found = next((n for n, event in enumerate(self.events) if event["method"] == method), None)
            if found is not None:
                return dict(self.events.pop(found)["params"])
            self._hear()

    def of(self, method: str) -> list[Data]:
        """What was heard of a method so far."""
        return [event["params"] for event in self.events if event["method"] == method]

    def value(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def show(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Open a page at a width, in light or dark."""
        phone = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired")

    def picture(self, path: Path) -> bytes:
        """What is on the screen as PNG."""
        shot = self.ask("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))
        return path.read_bytes()


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with one empty tab, ended with the block."""
    program = shutil.which("chromium")
    assert program, "chromium is missing: run `bash .ci/run` as root on Debian, or install the package chromium"
    inward, outward = os.pipe(), os.pipe()
    plumbed = f'exec 3<&{inward[0]} 4>&{outward[1]}; exec "$@"'
    words = [program, *QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
    with subprocess.Popen(
        ["/bin/bash", "-c", plumbed, "chromium", *words], pass_fds=(inward[0], outward[1]), stderr=subprocess.DEVNULL
    ):
        os.close(inward[0])
        os.close(outward[1])
        with os.fdopen(outward[0], "rb") as heard:
            browser = Browser(inward[1], heard)
            tab = browser.ask("Target.createTarget", url="about:blank")["targetId"]
            browser.session = browser.ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                browser.ask(f"{domain}.enable")
            try:
                yield browser
            finally:
                browser.session = ""
                browser.ask("Browser.close")
                os.close(inward[1])
