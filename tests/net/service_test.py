#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: run.sh service_test.py TXRINGD
txringd as a service manager has it, without one: what it says at NOTIFY_SOCKET (a path, an abstract name), signs of
life only while its iothreads turn, a socket of systemd-socket-activate, --config, and what SIGHUP makes of it.
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

TXRINGD = sys.argv[1]
DIR = os.environ["TMPDIR"]
PATIENCE = 60
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


class Txringd:
    def __init__(self, *arguments, notify=True, before=(), environment=None):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(PATIENCE)
        name = notify if isinstance(notify, str) else f"{DIR}/notify"
        if not name.startswith("@") and os.path.exists(name):
            os.unlink(name)
        self.manager.bind("\0" + name[1:] if name.startswith("@") else name)
        environment = {**os.environ, **({"NOTIFY_SOCKET": name} if notify else {}), **(environment or {})}
        self.log = open(f"{DIR}/log", "w+")
        self.process = subprocess.Popen([*before, TXRINGD, *arguments], stderr=self.log, env=environment)

    def hears(self):
        return dict(line.split("=", 1) for line in self.manager.recv(4096).decode().splitlines())

    def hears_of(self, name):
        while True:
            said = self.hears()
            if name in said:
                return said

    def said(self):
        with open(f"{DIR}/log") as log:
            return log.read()

    def logs(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.said()):
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"no {pattern} in:\n{self.said()}")
            time.sleep(0.02)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self.manager.close()
        self.log.close()
        return status


class Service(unittest.TestCase):
    def start(self, *arguments, **options):
        txringd = Txringd(*arguments, **options)
        self.addCleanup(txringd.end)
        return txringd

    def card(self):
        path = f"{DIR}/s"
        return "--socket-path", path, "--backend", "null"

    def config(self, *lines):
        path = f"{DIR}/card.conf"
        with open(path, "w") as file:
            file.write("".join(line + "\n" for line in lines))
        return path

    def test_it_says_when_it_is_ready_and_when_it_stops(self):
        for name in f"{DIR}/notify", "@txring-test":
            txringd = self.start(*self.card(), notify=name)
            said = txringd.hears()
            self.assertEqual(said["READY"], "1")
            self.assertEqual(said["STATUS"], "1 network card on 1 iothread")
            with socket.socket(socket.AF_UNIX) as client: # it is true: the socket is there
                client.connect(f"{DIR}/s")
            txringd.process.send_signal(signal.SIGTERM)
            self.assertEqual(txringd.hears(), {"STOPPING": "1"})
            self.assertEqual(txringd.end(), 0)

    def test_one_that_does_not_start_is_not_ready(self):
        txringd = self.start("--socket-path", "/no/such/s", "--backend", "null")
        self.assertEqual(txringd.process.wait(PATIENCE), 1)
        self.assertEqual(txringd.hears(), {"STOPPING": "1"})

    def test_a_name_that_is_none_is_said_and_harms_nothing(self):
        txringd = self.start(*self.card(), notify=False, environment={"NOTIFY_SOCKET": "relative"})
        txringd.logs("listening on")
        self.assertIn("NOTIFY_SOCKET cannot be used", txringd.said())

    def test_signs_of_life_come_in_half_the_time(self):
        txringd = self.start(*self.card(), environment={"WATCHDOG_USEC": "400000"})
        txringd.hears_of("READY")
        start = time.monotonic()
        for _ in range(5):
            txringd.hears_of("WATCHDOG")
        self.assertGreater(time.monotonic() - start, 0.6)

    def test_there_are_none_for_another_process(self):
        txringd = self.start(*self.card(), environment={"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"})
        txringd.hears_of("READY")
        txringd.manager.settimeout(1)
        self.assertRaises(TimeoutError, txringd.hears)

    def test_there_are_none_while_an_iothread_stands_still(self):
        txringd = self.start(*self.card(), environment={"WATCHDOG_USEC": "200000"})
        txringd.hears_of("WATCHDOG")
        libc = ctypes.CDLL(None, use_errno=True)
        for thread in os.listdir(f"/proc/{txringd.process.pid}/task"):
            with open(f"/proc/{txringd.process.pid}/task/{thread}/comm") as comm:
                if comm.read().strip() == "iothread0":
                    break
        else:
            self.fail("no thread is called iothread0")
        thread = int(thread)
        if libc.ptrace(PTRACE_SEIZE, thread, None, None):
            self.skipTest("needs ptrace, to stop one thread: " + os.strerror(ctypes.get_errno()))
        self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, thread, None, None), 0)
        os.waitpid(thread, 0x40000000) # __WALL
        txringd.manager.settimeout(1)
        with self.assertRaises(TimeoutError): # those that were on their way have come
            for _ in range(5):
                txringd.hears()
        self.assertEqual(libc.ptrace(PTRACE_DETACH, thread, None, None), 0)
        txringd.manager.settimeout(PATIENCE)
        txringd.hears_of("WATCHDOG")

    def test_a_socket_is_passed_and_served(self):
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd-socket-activate is missing: apt-get install systemd")
        config = self.config("fd = systemd", "backend = null")
        path = f"{DIR}/passed"
        txringd = self.start("--config", config, before=[
            "systemd-socket-activate", "--listen", path, "--setenv=NOTIFY_SOCKET"])
        end = time.monotonic() + PATIENCE
        client = socket.socket(socket.AF_UNIX)
        while client.connect_ex(path):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        txringd.hears_of("READY")
        client.sendall(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])) # VHOST_USER_GET_FEATURES
        client.settimeout(PATIENCE)
        self.assertEqual(len(client.recv(20)), 20)
        txringd.process.send_signal(signal.SIGHUP) # systemd's sockets are not asked for twice
        txringd.logs("reload: nothing has changed")
        client.close()

    def test_a_file_says_what_options_say(self):
        config = self.config("# two cards", "iothreads = 2", "[nic]", f"socket-path = {DIR}/a # first", "backend = null",
                             "txmode = timer,delay=80us", "[nic]", f"socket-path = {DIR}/b", "backend = loop",
                             "queues = 2", "link = down")
        txringd = self.start("--config", config)
        self.assertEqual(txringd.hears_of("READY")["STATUS"], "2 network cards on 2 iothreads")
        txringd.logs(f"nic0: .*delay=80us.*listening on {DIR}/a")
        txringd.logs(f"nic1: backend loop.*listening on {DIR}/b, the link is down")

    def test_what_is_wrong_in_it_is_said_with_its_line(self):
        good = [f"socket-path = {DIR}/s", "backend = null"]
        for lines, *words in [
                (good + ["queues = 0"], ":3: queues '0' must be a number from 1 to 128"),
                (good + ["bogus = 1"], ":3: 'bogus' is no option"), (good + ["help"], ":3: 'help'"),
                (good + ["config = x"], ":3: 'config'"), (good + ["nic"], ":3: 'nic'"),
                (good + ["queues"], ":3: queues needs a value"), (good + ["client = yes"], ":3: client takes no value"),
                (good + ["[card]"], ":3: '[card]' must be [nic]"), (good + ["--mtu = 1"], ":3: '--mtu'", "dashes"),
                (good + ["mtu 1"], ":3: 'mtu 1'"), (good + ["", "[nic]"], ":4: nic1: give one of socket-path"),
                (["[nic]", "[nic]"] + good, ":1: nic0: give one of"),
                (good + ["iothreads = x"], ":3: iothreads 'x' must be"), (["[nic]"] + good[:1], ":1: backend is missing"),
                (good + ["client", "socket-mode = 0600"], ":1: socket-mode is for")]:
            path = self.config(*lines)
            said = subprocess.run([TXRINGD, "--config", path], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((said.returncode, said.stdout, said.stderr.count("\n")), (1, "", 1), said)
            for word in words:
                self.assertIn(word, said.stderr)
            self.assertIn(path + ":", said.stderr)
        said = subprocess.run([TXRINGD, "--config", "/no/such"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((said.returncode, said.stderr.count("\n")), (1, 1))
        self.assertIn("'/no/such': No such file", said.stderr)

    def test_a_card_of_it_may_be_xml(self):
        xml = f"{DIR}/card.xml"
        with open(xml, "w") as file:
            file.write(f"<interface type='vhostuser'><source type='unix' path='{DIR}/b' mode='client'/>"
                       "<target dev='txrx0'/><model type='virtio'/></interface>")
        if "built without" in subprocess.run([TXRINGD, "--interface", xml, "--queues", "0"], capture_output=True,
                                             text=True, timeout=PATIENCE).stderr:
            self.skipTest("built without libxml2")
        for before in ["[nic]"], []:
            config = self.config(*before, f"socket-path = {DIR}/a", "backend = null", "[nic]", f"interface = {xml}",
                                 "txmode = timer", "[nic]", f"socket-path = {DIR}/c", "backend = null")
            txringd = self.start("--config", config)
            self.assertEqual(txringd.hears_of("READY")["STATUS"], "3 network cards on 1 iothread")
            txringd.logs(f"nic1: backend tap txrx0.*tx mode timer.*listening on {DIR}/b")
            txringd.end()
        txringd = self.start("--config", xml)
        self.assertEqual(txringd.hears_of("READY")["STATUS"], "1 network card on 1 iothread")

    def test_options_go_on_behind_it(self):
        config = self.config("backend = null")
        txringd = self.start("--config", config, "--socket-path", f"{DIR}/behind")
        txringd.logs(f"listening on {DIR}/behind")

    def reload(self, txringd, *lines):
        self.config(*lines)
        txringd.process.send_signal(signal.SIGHUP)
        said = txringd.hears_of("RELOADING")
        self.assertLess(abs(int(said["MONOTONIC_USEC"]) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)), PATIENCE)
        return txringd.hears_of("READY")

    def test_sighup_makes_of_cards_what_the_file_says(self):
        good = [f"socket-path = {DIR}/s", "backend = null"]
        txringd = self.start("--config", self.config(*good))
        txringd.hears_of("READY")
        self.assertEqual(self.reload(txringd, *good, "link = down")["STATUS"], "reloaded")
        txringd.logs("nic0: reload: link down: ")
        self.reload(txringd, *good, "link = down")
        txringd.logs("reload: nothing has changed")
        self.reload(txringd, *good, "queues = 2", "mtu = 1400")
        txringd.logs("nic0: reload: link up: ")
        txringd.logs("reload: waits for the next start: queues of nic0, mtu of nic0")
        self.assertIn("failed", self.reload(txringd, *good, "link = sideways")["STATUS"])
        txringd.logs(":3: link 'sideways' must be one of: up | down")
        txringd.logs("reload: refused, and nothing has changed")
        os.unlink(f"{DIR}/card.conf")
        txringd.process.send_signal(signal.SIGHUP)
        txringd.logs("card.conf': No such file")
        self.assertIsNone(txringd.process.poll())

    def test_sighup_tells_of_what_is_of_no_card(self):
        lines = [f"socket-path = {DIR}/s", "backend = null", "queues = 2"]
        control = f"control = {DIR}/ctl"
        txringd = self.start("--config", self.config(control, *lines))
        txringd.hears_of("READY")
        self.reload(txringd, control, *lines)
        txringd.logs("reload: nothing has changed")
        self.reload(txringd, control + ",mode=0660", "iothreads = 2", *lines)
        txringd.logs("reload: waits for the next start: control")
        txringd.logs("reload: waits for the next start: iothreads")
        self.assertIn("failed", self.reload(txringd, control + ",mode=9", *lines)["STATUS"])
        txringd.logs("socket-mode '9' must be")
        self.assertIn("failed", self.reload(txringd, f"control = {DIR}/s,mode=0660", *lines)["STATUS"])
        txringd.logs("is socket-path of nic0, too")

    def test_sighup_sets_the_log_level(self):
        lines = [f"socket-path = {DIR}/s", "backend = null"]
        txringd = self.start("--config", self.config("log-level = error", *lines))
        txringd.hears_of("READY")
        self.reload(txringd, *lines)
        txringd.logs("reload: log-level info: done")
        self.assertNotIn("network card", txringd.said()) # which is of level info
        self.reload(txringd, *lines)
        txringd.logs("reload: nothing has changed")
        self.assertIn("failed", self.reload(txringd, "log-level = loud", *lines)["STATUS"])
        txringd.logs(":1: log-level 'loud' must be error, warning, info or debug")

    def test_sighup_sees_a_mode_of_one_pair(self):
        lines = [f"socket-path = {DIR}/s", "backend = null", "queues = 3"]
        txringd = self.start("--config", self.config(*lines), "--control", f"{DIR}/ctl")
        txringd.hears_of("READY")
        with socket.socket(socket.AF_UNIX) as asks:
            asks.connect(f"{DIR}/ctl")
            asks.sendall(b'{"execute":"set","arguments":{"nic":"nic0","pair":1,"settings":{"txmode":"timer"}}}\n')
            txringd.logs("pair 1: tx mode timer")
        self.reload(txringd, *lines)
        txringd.logs("nic0: reload: txmode iothread,burst=256: ")
        self.reload(txringd, *lines)
        txringd.logs("reload: nothing has changed")

    def test_sighup_changes_all_keys_of_many_cards(self):
        lines = []
        for i in range(100):
            lines += ["[nic]", f"socket-path = {DIR}/s{i}", "backend = null"]
            lines += ["link = down", "txmode = timer", "coalesce = off"]
        txringd = self.start("--config", self.config(*lines))
        txringd.hears_of("READY")
        for link, mode, coalesce in [("up", "poll", "on"), ("down", "timer", "off")]:
            wanted = {"link": link, "txmode": mode, "coalesce": coalesce}
            names = [line.split(" = ")[0] for line in lines]
            lines = [f"{name} = {wanted[name]}" if name in wanted else line for name, line in zip(names, lines)]
            self.assertEqual(self.reload(txringd, *lines)["STATUS"], "reloaded")
        self.assertIsNone(txringd.process.poll())

    def test_without_a_file_sighup_ends_it(self):
        txringd = self.start(*self.card())
        txringd.hears_of("READY")
        txringd.process.send_signal(signal.SIGHUP)
        self.assertEqual(txringd.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], warnings="ignore")
