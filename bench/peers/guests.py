# SPDX-License-Identifier: MIT
"""The Linux guests of bench/guest: each in a network namespace of its own, with its device's back-end and a
tap, alive from start to stop and frozen when it has no turn.

    guest = QemuGuest("txringd", "timer", build)    or QemuGuest("qemu", "bh,ioeventfd=off", build),
                                                    UmlGuest("uml", "iothread", build)
    guest.is_available()                            None, or in one line why it cannot run here
    guest.start(scratch, cpu, backend_cpu)          boots; when it returns, the network carries frames
    guest.console(command, seconds)                 what a shell command in the guest prints
    guest.freeze(True); guest.freeze(False); guest.stop()
    guest.cpu_ns()                                  CPU time so far: back-end, QEMU's main loop, guest
    guest.counters()                                txringd's, or None
    guest.irq_name                                  what its card's interrupts are called

They raise Failure, or Skip where no such guest can be had. The image is that of the tests
(tests/guest/kernel), with guest-tcp added; its init (tests/guest/init) takes commands over a console
port, so that nothing but the load uses the network card.
"""
import base64
import glob
import json
import os
import select
import signal
import socket
import subprocess
import time

import peer
from peer import Failure, Namespace, Peer, children
from qemu import device_options
from runner import SKIPPED, Skip
from txringd import Txringd

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUEST_IP, HOST_IP = "10.77.0.2", "10.77.0.1"  # the guest's is tests/guest/init's
APPEND = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on audit=0"
MEMORY_MB = 256
BOOT_S = 120
ANSWER_S = 30  # beyond the time of the command itself
peer.START_S = BOOT_S  # on a machine with much else to do


def make_image(kind, program, scratch):
    """(kernel's release, its file, an initramfs with that program in /bin). A kernel reads several archives
    one after the other."""
    made = subprocess.run([os.path.join(TOP, "tests", "guest", "kernel"), kind], capture_output=True,
                          text=True)
    if made.returncode:
        last = (made.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise (Skip if made.returncode == SKIPPED else Failure)(last.removeprefix("skipped: "))
    release, kernel, initrd = made.stdout.splitlines()[:3]
    tree, image = os.path.join(scratch, f"tree-{kind}"), os.path.join(scratch, f"initrd-{kind}")
    os.makedirs(os.path.join(tree, "bin"))
    subprocess.run(["cp", program, os.path.join(tree, "bin", "guest-tcp")], check=True)
    added = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree,
                           input=b"bin\nbin/guest-tcp\n", stdout=subprocess.PIPE, check=True).stdout
    with open(image, "wb") as out, open(initrd, "rb") as base:
        out.write(base.read() + added)
    return release, kernel, image


def tasks(pid):
    """{thread's id: name} of a process; empty when it is gone."""
    found = {}
    for path in glob.glob(f"/proc/{pid}/task/*/comm"):
        try:
            with open(path) as f:
                found[int(path.split("/")[4])] = f.read().strip()
        except OSError:
            pass
    return found


def is_traced(pid):
    """User-mode Linux' user processes stop when it stops, and it would see a signal to one of them."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return "TracerPid:\t0\n" not in f.read()
    except OSError:
        return True


def ran_ns(threads):
    """CPU time of these threads so far."""
    total = 0
    for thread in threads:
        try:
            with open(f"/proc/{thread}/schedstat") as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total


class Guest(Peer):
    """kind and mode as in --settings."""
    program = image_kind = None

    def __init__(self, kind, mode, build):
        self.kind = kind
        super().__init__(mode, build)
        self.netns = self.daemon = self.features = None
        self.files = []  # of the console and of QEMU's monitor
        self.serial = 0

    @property
    def programs(self):
        return (self.program, "ip", "taskset", "setpriv", "cpio", "unshare")

    def start(self, image, scratch, cpu, backend_cpu):
        self.release, self.kernel, self.initrd = image
        self.scratch, self.cpu, self.backend_cpu = scratch, cpu, backend_cpu
        self.netns = Namespace()
        both = f"{cpu},{backend_cpu}"  # while it boots
        if self.daemon:
            self.daemon.start(self.netns, backend_cpu, scratch)
            self.tap = self.daemon.tap
        self.boot(both)
        if not self.daemon:
            self.wait_for_tap(self.netns)
        subprocess.run(["ip", "-n", self.netns.name, "addr", "add", f"{HOST_IP}/24", "dev", self.tap],
                       check=True)
        self.answer("0", BOOT_S)
        self.features = self.console("cat /sys/class/net/eth0/device/features", 10).strip()
        self.irq_name = self.console("basename $(readlink /sys/class/net/eth0/device)", 10).strip()
        self.wait_for_network()
        self.pin()

    def wait_for_network(self):
        ping = self.netns.inside("ping", "-q", "-c", "1", "-W", "1", GUEST_IP)
        self.wait_until(lambda: not subprocess.run(ping, capture_output=True).returncode, "ping")

    # The console: tests/guest/init says what goes over it.

    def answer(self, wanted, seconds):
        """(status, text) of the command with that number."""
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            if not self.alive():
                raise Failure(f"{self.name}: the guest has ended: {self.last_words()}")
            if time.monotonic() > end:
                raise Failure(f"{self.name}: no answer from the guest for {seconds:.0f} s")
            if select.select([self.port], [], [], 0.2)[0]:
                line += os.read(self.port, 65536)
        number, status, text = (line.decode().split(" ", 2) + ["", ""])[:3]
        if number != wanted:
            raise Failure(f"{self.name}: the guest answered '{line[:60]!r}' instead of {wanted}")
        return int(status), base64.b64decode(text).decode(errors="replace")

    def tell(self, command, seconds):
        """Starts a command; finish() gives what it printed."""
        self.serial += 1
        line = f"{self.serial} {seconds:.0f} {base64.b64encode(command.encode()).decode()}\n"
        data = memoryview(line.encode())
        while data:
            data = data[os.write(self.port_out, data):]

    def finish(self, seconds):
        status, text = self.answer(str(self.serial), seconds + ANSWER_S)
        if status:
            said = text.strip().splitlines()
            raise Failure(f"{self.name}: in the guest, status {status}: {said[-1] if said else ''}")
        return text

    def console(self, command, seconds):
        self.tell(command, seconds)
        return self.finish(seconds)

    # Stopped by signal: only one guest at a time has a CPU.

    def signal_all(self, number):
        for process in ([self.daemon] if self.daemon else []) + [self]:
            for pid in children(process.child.pid) if process.alive() else []:
                if not is_traced(pid):
                    os.kill(pid, number)

    def freeze(self, frozen):
        self.signal_all(signal.SIGSTOP if frozen else signal.SIGCONT)

    def stop(self):
        super().stop()
        if self.daemon:
            self.daemon.stop()
        while self.files:
            self.files.pop().close()
        if self.netns:
            self.netns.close()
            self.netns = None

    def counters(self):
        return self.daemon.all_counters() if self.daemon else None


class QemuGuest(Guest):
    program, image_kind = "qemu-system-x86_64", "net"

    def __init__(self, kind, mode, build):
        super().__init__(kind, mode, build)
        if kind == "txringd":
            self.daemon = Txringd(mode, build)
            return
        words = mode.split(",")
        chosen = [w for w in words if w.startswith("ioeventfd=")]
        if any(w not in ("ioeventfd=on", "ioeventfd=off") for w in chosen):
            raise Failure(f"{self.name}: '{chosen[-1]}' is neither ioeventfd=on nor ioeventfd=off")
        try:
            options, _ = device_options(",".join(w for w in words if w not in chosen))
        except ValueError as e:
            raise Failure(f"{self.name}: {e}") from None
        if any(w.startswith("pit=") for w in words):
            raise Failure(f"{self.name}: a Linux guest stops the PIT: there is no choice")
        self.device = options + chosen

    def is_available(self):
        return super().is_available() or (self.daemon and self.daemon.is_available())

    def network(self):
        """vectors=0: QEMU 7.2 crashes when a guest switches MSI-X on for vhost-user under TCG, and what is
        compared has the same interrupts."""
        common = "romfile=,vectors=0,disable-legacy=on"
        if self.daemon:
            path = os.path.join(self.scratch, f"{self.daemon.id}.sock")
            return ["-chardev", f"socket,id=vu,path={path}",
                    "-netdev", "vhost-user,id=n0,chardev=vu",
                    "-device", f"virtio-net-pci,netdev=n0,{common}"]
        return ["-netdev", f"tap,id=n0,ifname={self.tap},script=no,downscript=no",
                "-device", ",".join([f"virtio-net-pci,netdev=n0,{common}", *self.device])]

    def boot(self, cpus):
        port, monitor = (os.path.join(self.scratch, f"{self.id}.{end}") for end in ("port", "qmp"))
        self.spawn(self.netns, cpus, self.scratch, [
            self.program, "-nodefaults", "-no-user-config", "-display", "none", "-name",
            "guest,debug-threads=on", "-accel", "tcg,thread=multi,tb-size=64",
            "-M", "q35,memory-backend=mem", "-cpu", "max", "-m", str(MEMORY_MB),
            "-object", f"memory-backend-memfd,id=mem,size={MEMORY_MB}M,share=on",
            "-kernel", self.kernel, "-initrd", self.initrd, "-append", APPEND, "-serial", "null",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-device", "virtio-serial-pci,max_ports=2",
            "-chardev", f"socket,id=port,path={port},server=on,wait=off",
            "-device", "virtserialport,chardev=port,nr=1",
            "-qmp", f"unix:{monitor},server=on,wait=off", *self.network()])
        self.wait_for_socket(monitor)
        port, self.monitor = (self.connect(path) for path in (port, monitor))
        self.port = self.port_out = port.fileno()
        self.qmp_lines = self.monitor.makefile("r")
        self.files += [port, self.monitor, self.qmp_lines]
        self.qmp_lines.readline()
        self.qmp("qmp_capabilities")

    def connect(self, path):
        s = socket.socket(socket.AF_UNIX)
        self.wait_until(lambda: s.connect_ex(path) == 0, "socket")
        return s

    def qmp(self, command):
        self.monitor.settimeout(ANSWER_S)
        self.monitor.sendall(json.dumps({"execute": command}).encode())
        try:
            for line in self.qmp_lines:
                told = json.loads(line)
                if "return" in told:
                    return
                if "error" in told:
                    raise Failure(f"{self.name}: QEMU's {command}: {told['error']['desc']}")
        except OSError as e:
            raise Failure(f"{self.name}: QEMU's {command}: {e}") from None
        raise Failure(f"{self.name}: QEMU has ended: {self.last_words()}")

    def threads(self):
        """(the main loop's, those of the virtual CPU)"""
        found = tasks(self.child.pid)
        vcpus = [t for t, name in found.items() if name.startswith("CPU ")]
        return [t for t in found if t not in vcpus], vcpus

    def pin(self):
        for threads, cpu in zip(self.threads(), (self.backend_cpu, self.cpu)):
            for thread in threads:
                os.sched_setaffinity(thread, {cpu})

    # Its clocks stand while it is stopped by QEMU itself: it sees no time go by while others have their turn.

    def freeze(self, frozen):
        if frozen:
            self.qmp("stop")
        super().freeze(frozen)
        if not frozen:
            self.qmp("cont")

    def cpu_ns(self):
        main, vcpus = map(ran_ns, self.threads())
        if not self.daemon:
            return {"backend_ns": main, "main_loop_ns": None, "guest_ns": vcpus}
        return {"backend_ns": ran_ns(tasks(self.daemon.child.pid)), "main_loop_ns": main,
                "guest_ns": vcpus}


# With the fifos of its serial line, in a session of its own, as it would make one by itself: this one has as
# large a share of the CPUs (autogroup) as ours, and stays.
UML_START = """exec 7<>"$1" 8<>"$2"
[ ! -e /proc/self/autogroup ] || echo "$3" >/proc/self/autogroup
shift 3 && exec "$@"
"""


def session_nice():
    """Of our autogroup."""
    try:
        with open("/proc/self/autogroup") as f:
            return f.read().split()[-1]
    except (OSError, IndexError):
        return "0"


class UmlGuest(Guest):
    """User-mode Linux: its front-end is its own. Its clock goes on while it is stopped."""
    program, image_kind = "linux.uml", "uml"

    def __init__(self, kind, mode, build):
        super().__init__(kind, mode, build)
        self.daemon = Txringd(mode, build)

    def boot(self, cpus):
        """unshare: a killed one leaves processes behind."""
        fifos = [os.path.join(self.scratch, f"{self.id}.{end}") for end in ("in", "out")]
        for path in fifos:
            subprocess.run(["rm", "-f", path], check=True)  # of a guest that failed
            os.mkfifo(path)
            self.files.append(open(path, "r+b", buffering=0))
        self.port_out, self.port = (f.fileno() for f in self.files)
        self.spawn(self.netns, cpus, self.scratch, [
            "unshare", "--pid", "--fork", "--kill-child",
            "setsid", "sh", "-c", UML_START, "sh", *fifos, session_nice(),
            self.kernel, f"mem={MEMORY_MB}M", f"initrd={self.initrd}", f"uml_dir={self.scratch}",
            "quiet", "pty.legacy_count=0", "con=null", "con0=null,fd:1", "ssl=null",
            "ssl0=fd:7,fd:8",
            f"virtio_uml.device={os.path.join(self.scratch, self.daemon.id)}.sock:1"])

    def pin(self):
        self.irq_name = "virtio"  # one line for all: virtio-uml.0-output.0
        for pid in children(self.child.pid):
            for thread in tasks(pid):
                os.sched_setaffinity(thread, {self.cpu})

    def cpu_ns(self):
        guest = ran_ns(t for pid in children(self.child.pid) for t in tasks(pid))
        return {"backend_ns": ran_ns(tasks(self.daemon.child.pid)), "main_loop_ns": None,
                "guest_ns": guest}


KINDS = {"txringd": QemuGuest, "qemu": QemuGuest, "uml": UmlGuest}
