#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: run.sh metrics_test.py TXRINGCTL SAMPLES ALERTS DASHBOARD
txringctl metrics against control sockets played here: text, file, and HTTP, with daemons that are absent, silent or
hostile, and scrapers that are slow. SAMPLES prints what a full answer becomes; promtool judges it, and the alerts.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

TXRINGCTL, SAMPLES, ALERTS, DASHBOARD = sys.argv[1:5]
DIR = os.environ["TMPDIR"]
NIC = {"name": "nic0", "backend": "null", "txmode": "iothread", "link": "up", "connected": True, "driver": "user"}
ANSWERS = {
    "show": {"nics": [NIC]},
    "stats": {"nics": [{"name": "nic0", "pairs": [{"tx": {"frames": 7, "drop_size": 1}, "rx": {"frames": 3}}]}],
              "iothreads": [{"name": "iothread0", "cpu_ns": 5}]},
}
FRAMES = 'txring_tx_frames_total{daemon="%s",nic="nic0",pair="0"} 7'


class Daemon:
    """A control socket. behave(connection, request) sends the answer; the usual one is made from ANSWERS."""

    def __init__(self, name, behave=None, greeting=True):
        self.path = f"{DIR}/{name}.ctl"
        self.behave, self.greeting = behave or self.answer, greeting
        self.asked = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            if self.greeting:
                connection.sendall(b'{"txring": {"version": "0.1.0", "protocol": 1, "may": "look"}}\n')
            for line in connection.makefile():
                request = json.loads(line)
                self.asked.append(request["execute"])
                self.behave(connection, request)
        except OSError:
            pass

    @staticmethod
    def answer(connection, request):
        answer = {"return": ANSWERS[request["execute"]]} if request["execute"] in ANSWERS else {
            "error": {"class": "CommandNotFound", "desc": "no such command", "allowed": list(ANSWERS)}}
        connection.sendall(json.dumps({**answer, "id": request["id"]}).encode() + b"\n")

    def close(self):
        self.server.close()
        os.unlink(self.path)


def run(*arguments, **options):
    return subprocess.run([TXRINGCTL, "metrics", *arguments], capture_output=True, text=True, timeout=60, **options)


class Served:
    """txringctl metrics --listen"""

    def __init__(self, where, *controls):
        arguments = [word for path in controls for word in ("--control", path)]
        self.process = subprocess.Popen([TXRINGCTL, "metrics", "--listen", where, *arguments], stderr=subprocess.PIPE,
                                        text=True)
        self.said = self.process.stderr.readline()
        port = re.search(r":(\d+)/metrics", self.said)
        self.port = int(port[1]) if port else None

    def get(self, path="/metrics", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stderr.close()
        return self.process.wait(30)


class Text(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("vm0")
        self.addCleanup(self.daemon.close)

    def test_what_a_daemon_answers_is_written(self):
        said = run("--control", self.daemon.path)
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn(FRAMES % "vm0", said.stdout.splitlines())
        self.assertIn('txring_info{daemon="vm0",version="0.1.0"} 1', said.stdout.splitlines())
        self.assertTrue(said.stdout.endswith("# EOF\n"))
        self.assertEqual(self.daemon.asked, ["stats", "show", "latency"])

    def test_without_control_all_of_the_folder_are_asked(self):
        def in_run():
            return subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$1" /run && shift && exec "$@"', "sh", DIR,
                                   TXRINGCTL, "metrics"], capture_output=True, text=True, timeout=60)

        said = in_run()
        self.assertEqual((said.returncode, said.stdout), (1, ""))
        self.assertRegex(said.stderr, r"no txringd to ask: there is no /run/txring/\*\.ctl or .*--control PATH\n$")
        os.makedirs(f"{DIR}/txring/b")
        os.link(self.daemon.path, f"{DIR}/txring/a.ctl")
        os.link(self.daemon.path, f"{DIR}/txring/b/control")
        said = in_run()
        self.assertEqual(said.returncode, 0, said.stderr)
        for name in "a", "b":
            self.assertIn(FRAMES % name, said.stdout.splitlines())
        shutil.rmtree(f"{DIR}/txring")

    def test_one_that_is_absent_is_down_and_the_others_are_there(self):
        said = run("--control", self.daemon.path, "--control", f"{DIR}/none.ctl")
        self.assertEqual(said.returncode, 1)
        self.assertIn("none.ctl", said.stderr)
        self.assertEqual(said.stderr.count("\n"), 1)
        self.assertIn('txring_up{daemon="none"} 0', said.stdout.splitlines())
        self.assertIn(FRAMES % "vm0", said.stdout.splitlines())

    def test_names_that_are_the_same_are_told_apart(self):
        os.makedirs(f"{DIR}/b", exist_ok=True)
        os.symlink(self.daemon.path, f"{DIR}/b/vm0.ctl")
        said = run("--control", self.daemon.path, "--control", f"{DIR}/b/vm0.ctl")
        for path in self.daemon.path, f"{DIR}/b/vm0.ctl":
            self.assertIn(FRAMES % path, said.stdout.splitlines())

    def test_a_file_is_written_in_one_step(self):
        path = f"{DIR}/txring.prom"
        with open(path, "w") as old:
            old.write("old\n")
            inode = os.stat(path).st_ino
            said = run("--control", self.daemon.path, "--output", path)
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "", ""))
        self.assertNotEqual(os.stat(path).st_ino, inode)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        with open(path) as text:
            self.assertIn("# TYPE txring_tx_frames_total counter\n", text.readlines())
        self.assertEqual([name for name in os.listdir(DIR) if name.startswith("txring.prom.")], [])
        said = run("--control", self.daemon.path, "--output", f"{DIR}/no/such.prom")
        self.assertEqual(said.returncode, 1)
        self.assertIn("No such file", said.stderr)

    def test_what_is_no_file_is_not_replaced(self):
        pipe, link = f"{DIR}/pipe", f"{DIR}/link"
        os.mkfifo(pipe)
        os.symlink("/dev/null", link)
        for path in pipe, link, DIR:
            before = os.lstat(path)
            said = run("--control", self.daemon.path, "--output", path)
            self.assertEqual((said.returncode, said.stdout, said.stderr.count("\n")), (1, "", 1), said)
            self.assertIn("must be a file", said.stderr)
            self.assertEqual(os.lstat(path).st_mode, before.st_mode)
            self.assertEqual(os.lstat(path).st_ino, before.st_ino)

    def test_who_is_not_root_asks_where_other_commands_ask(self):
        def as_nobody(*arguments):
            script = 'mount --bind "$1" /run && shift && exec setpriv --reuid 65534 --clear-groups "$@"'
            return subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", DIR, TXRINGCTL, *arguments], timeout=60,
                                  capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": f"{DIR}/own"})

        os.makedirs(f"{DIR}/txring")
        self.addCleanup(shutil.rmtree, f"{DIR}/txring")
        os.link(self.daemon.path, f"{DIR}/txring/a.ctl")
        os.chmod(f"{DIR}/txring/a.ctl", 0o666)
        for arguments in ["show"], ["metrics"]:
            said = as_nobody(*arguments)
            self.assertEqual((said.returncode, said.stderr), (0, ""), said)

    def test_arguments_that_are_wrong_are_refused_with_what_is_allowed(self):
        for arguments, *words in [(["--control", "c", "--control", "c"], "'c'", "twice"),
                                  (["--format", "xml"], "'xml'", "openmetrics | prometheus"), (["x"], "'x'"),
                                  (["--lisen"], "'--lisen'"),
                                  (["--listen", "0.0.0.0:1"], "'0.0.0.0:1'", "127.0.0.1:PORT", "this host"),
                                  (["--listen", "[::]:1"], "'[::]:1'", "[::1]:PORT", "this host"),
                                  (["--listen", "192.0.2.1:80"], "this host"), (["--listen", "80"], "'80'", "PORT"),
                                  (["--listen", "127.0.0.1:65536"], "65536"), (["--listen", "localhost:1"], "must be"),
                                  (["--listen", "unix:"], "1 to 107"), (["--listen", "unix:/no/such/s"], "No such"),
                                  (["--listen", "127.0.0.1:0", "--output", "f"], "--output")]:
            said = run(*arguments)
            self.assertEqual((said.returncode, said.stdout, said.stderr.count("\n")), (1, "", 1), said)
            for word in words:
                self.assertIn(word, said.stderr)


class Http(unittest.TestCase):
    def serve(self, where, *controls):
        served = Served(where, *controls)
        self.addCleanup(lambda: self.assertEqual(served.end(), 0))
        return served

    def test_the_format_is_what_the_client_asks_for(self):
        daemon = Daemon("vm1")
        self.addCleanup(daemon.close)
        served = self.serve("127.0.0.1:0", daemon.path)
        status, text, answer = served.get()
        self.assertEqual((status, answer.getheader("Content-Type")), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertIn(FRAMES % "vm1", text.splitlines())
        status, text, answer = served.get(Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        self.assertEqual(answer.getheader("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertEqual(daemon.asked, ["stats", "show", "latency"] * 2)
        self.assertEqual(served.get("/")[0], 200)
        self.assertEqual(served.get("/x")[0], 404)
        status, text, answer = served.get(method="POST")
        self.assertEqual((status, answer.getheader("Allow")), (405, "GET, HEAD"))
        self.assertEqual(served.get(method="HEAD")[:2], (200, ""))

    def test_a_daemon_that_comes_and_goes(self):
        served = self.serve("127.0.0.1:0", f"{DIR}/vm2.ctl")
        for _ in range(2):
            status, text, _ = served.get()
            self.assertEqual((status, text.count("\n")), (503, 1))
            self.assertIn("no txringd listens there", text)
            daemon = Daemon("vm2")
            self.assertEqual(served.get()[0], 200)
            daemon.close()

    def test_daemons_that_are_silent_or_hostile_are_a_503_in_time(self):
        def endless(connection, _):
            while True:
                connection.sendall(b"x" * 65536)

        def events(connection, _):
            while True:
                connection.sendall(b'{"event": "X", "data": {}}\n' * 100)

        for number, (behave, greeting, word) in enumerate([
                (lambda *_: None, True, "does not answer"), (None, False, "does not answer"),
                (endless, True, "longer than|does not answer"), (events, True, "does not answer"),
                (lambda c, _: c.sendall(b"[1]\n"), True, "control protocol"),
                (lambda c, _: c.shutdown(socket.SHUT_RDWR), True, "broke off")]):
            daemon = Daemon(f"bad{number}", behave, greeting)
            served = self.serve("127.0.0.1:0", daemon.path)
            status, text, _ = served.get()
            self.assertEqual((status, text.count("\n")), (503, 1))
            self.assertRegex(text, word)
            daemon.close()

    def test_ipv6_and_unix(self):
        daemon = Daemon("vm3")
        self.addCleanup(daemon.close)
        path = f"{DIR}/http"
        for _ in range(2):
            served = Served("unix:" + path, daemon.path)
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            self.assertIn(FRAMES % "vm3", client.makefile().read().splitlines())
            second = run("--listen", "unix:" + path)
            self.assertIn("another program listens there", second.stderr)
            served.process.kill() # it leaves its file, which the next one may take
            served.end()
        served = self.serve("unix:" + path, daemon.path)
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
        self.assertFalse(os.path.exists(path))

    def test_scrapers_that_are_slow_are_cut_off(self):
        daemon = Daemon("vm4")
        self.addCleanup(daemon.close)
        served = self.serve("127.0.0.1:0", daemon.path)
        slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(40)]
        for connection in slow:
            connection.sendall(b"GET /met")
        done = threading.Event()

        def trickle(): # they keep all places, and go on sending
            while not done.wait(0.3):
                for connection in slow:
                    try:
                        connection.send(b"r")
                    except OSError:
                        pass

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            time.sleep(1)
            self.assertEqual(served.get()[0], 200)
        finally:
            done.set()
            sender.join()
        with open(f"/proc/{served.process.pid}/statm") as statm:
            self.assertLess(int(statm.read().split()[1]) * 4096, 64 << 20)
        for connection in slow:
            connection.close()


class Judged(unittest.TestCase):
    """What Prometheus thinks of it."""

    def setUp(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing: apt-get install prometheus")

    def judge(self, *arguments, text=None):
        said = subprocess.run(["promtool", "check", *arguments], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((said.returncode, said.stderr), (0, ""), said)
        return said.stdout

    def test_metrics(self):
        text = subprocess.run([SAMPLES, "prometheus"], capture_output=True, text=True, check=True).stdout
        self.judge("metrics", text=text)

    def test_rules(self):
        self.assertRegex(self.judge("rules", ALERTS), r"SUCCESS: \d+ rules found")

    def test_alerts_and_panels_ask_for_metrics_that_there_are(self):
        text = subprocess.run([SAMPLES, "prometheus"], capture_output=True, text=True, check=True).stdout
        there = set(re.findall(r"^(txring_\w+)\{", text, re.M))
        for path in ALERTS, DASHBOARD:
            with open(path) as file:
                asked = set(re.findall(r"\btxring_\w+", file.read()))
            self.assertTrue(asked)
            self.assertEqual(asked - there, set(), path)

    def test_panels_are_promql(self):
        with open(DASHBOARD) as file:
            dashboard = json.load(file)
        exprs = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        self.assertGreater(len(exprs), 8)
        rules = {"groups": [{"name": "panels", "rules": [
            {"record": f"panel:{n}", "expr": expr.replace("$__rate_interval", "1m")} for n, expr in enumerate(exprs)]}]}
        with open(f"{DIR}/panels.yml", "w") as file:
            json.dump(rules, file)
        self.judge("rules", f"{DIR}/panels.yml")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], warnings="ignore")
