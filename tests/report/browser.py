# SPDX-License-Identifier: MIT
"""Chromium without a screen, spoken to in its DevTools protocol over a pipe: opens pages, one
after the other, takes pictures of them, and keeps what their console said. For tests; it checks nothing.

usage: browser.py PAGE OUT_PREFIX       writes PREFIX-390.png, -1280.png, -dark.png and .pdf
"""
import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")


def program():
    """None if there is no chromium."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """Use it in a with statement: chromium and its files go away with it."""

    def __init__(self, timeout=240):
        self.timeout, self.deadline = timeout, time.monotonic() + timeout
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        in_read, self.to = os.pipe()
        self.back, out_write = os.pipe()

        def pipes():  # chromium reads file 3 and writes file 4
            high = (os.dup(in_read), os.dup(out_write))
            high = tuple(fd if fd > 4 else os.dup(fd) for fd in high)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program(), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             "--disable-dev-shm-usage", "--hide-scrollbars",
             f"--user-data-dir={self.profile.name}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, preexec_fn=pipes)
        os.close(in_read)
        os.close(out_write)
        self.n, self.buffer, self.session, self.target = 0, b"", None, None
        self.messages, self.requests, self.events = [], [], set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)  # it ends when its pipe does
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.back)
        self.profile.cleanup()

    def receive(self):
        while b"\0" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise TimeoutError("chromium does not answer")
            data = os.read(self.back, 1 << 20)
            if not data:
                raise RuntimeError("chromium ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(message)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            text = " ".join(str(a.get("value", a.get("description"))) for a in params["args"])
            self.messages.append((params["type"], text))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details["text"]
            self.messages.append(("error", text))
        elif method == "Log.entryAdded":
            self.messages.append((params["entry"]["level"], params["entry"]["text"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if method:
            self.events.add(method)
        return message

    def call(self, method, **params):
        self.n += 1
        message = {"id": self.n, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.n:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, path):
        """Returns when the page is loaded; the one before it is gone, with what it said."""
        self.deadline, self.session = time.monotonic() + self.timeout, None
        if self.target:
            self.call("Target.closeTarget", targetId=self.target)
        self.target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=self.target,
                                 flatten=True)["sessionId"]
        self.messages.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.events.clear()
        self.requests.clear()
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        while "Page.loadEventFired" not in self.events:
            self.receive()

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression,
                         returnByValue=True)["result"].get("value")

    def picture(self, path, width, dark=False, scale=1):
        """PNG of the whole page at this width; its size in CSS pixels."""
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        metrics = {"width": width, "deviceScaleFactor": scale, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", height=900, **metrics)
        height = int(self.evaluate("document.documentElement.scrollHeight"))
        self.call("Emulation.setDeviceMetricsOverride", height=height, **metrics)
        data = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
        return width, height

    def pdf(self, path):
        data = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))


def main(page, prefix):
    with Browser() as browser:
        browser.open(page)
        for name, width, dark in (("390", 390, False), ("1280", 1280, False), ("dark", 1280, True)):
            print(name, browser.picture(f"{prefix}-{name}.png", width, dark))
        browser.pdf(prefix + ".pdf")
        print(browser.messages, browser.requests)


if __name__ == "__main__":
    main(*sys.argv[1:])
