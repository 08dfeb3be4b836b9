"""Real programs for the scenarios of this folder: isotube, targets, clients. All on loopback, on free ports, in a folder
of their own; each is ended by its own process id."""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

ISOTUBE = os.environ.get("ISOTUBE", str(Path(__file__).resolve().parents[2] / "build/test/isotube"))
# What a machine with two busy cores may take for something that is a matter of milliseconds.
PATIENCE = 20


class Program:
    """A process whose output is kept line by line."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.log = Path(folder) / f"{name}.log"
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
                                            env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern, times=1, seconds=PATIENCE):
        """The `times`-th match of `pattern` in the output, waiting for it."""
        deadline = time.monotonic() + seconds
        while True:
            matches = list(re.finditer(pattern, self.text(), re.M))
            if len(matches) >= times:
                return matches[times - 1]
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode} before it said '{pattern}'")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} did not say '{pattern}' within {seconds} s")
            time.sleep(0.02)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=PATIENCE):
        """The exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s") from None

    def kill(self):
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Gateway(Program):
    def __init__(self, folder, *options, name="gateway", listen="127.0.0.1:0", environment=None):
        super().__init__(name, [ISOTUBE, "gateway", "--listen", listen, *options], folder, environment)
        ready = self.wait_for(r"Ready at (https?)://([\d.]+):(\d+)")
        self.scheme, self.host, self.port = ready.group(1), ready.group(2), int(ready.group(3))
        self.url = f"{self.scheme}://{self.host}:{self.port}"


class Client(Program):
    """isotube connect; `targets` are the ports that it forwards to, or -L texts."""

    def __init__(self, folder, url, *targets, options=(), name="client", environment=None, connected=True):
        forwards = []
        for target in targets:
            forwards += ["-L", target if isinstance(target, str) else f"127.0.0.1:0:127.0.0.1:{target}"]
        super().__init__(name, [ISOTUBE, "connect", url, *forwards, *options], folder, environment)
        self.ports = []
        if connected:
            self.wait_for("Connected to ")
            for index in range(len(targets)):
                self.ports.append(int(self.wait_for(r"Listening on \S+:(\d+) for", index + 1).group(1)))

    @property
    def port(self):
        return self.ports[0]


class Target:
    """A TCP server in this process: `serve(socket)` runs in a thread for each connection."""

    def __init__(self, serve):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def echo(connection):
    """Gives back what comes until the other side has said all."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def closed_port():
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def dial(port, seconds=PATIENCE):
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    connection.settimeout(seconds)
    return connection


def read_all(connection):
    data = bytearray()
    while part := connection.recv(65536):
        data += part
    return bytes(data)


def ended(connection):
    """Reads until the connection ends, however it ends; what came."""
    data = bytearray()
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            data += part
    return bytes(data)


def dial_in_vain(port):
    """A connection whose far end can't be reached; what came. The reset may come before the dial has returned."""
    with contextlib.suppress(ConnectionError), dial(port) as connection:
        return ended(connection)
    return b""


def round_trip(port, data=b"hello"):
    """Sends `data`, half closes, and gives what came back."""
    with dial(port) as connection:
        writer = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
        writer.start()
        answer = read_all(connection)
        writer.join()
        return answer


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def random_file(path, size):
    """Makes a file of pseudo-random bytes, fast."""
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for number in range(size // len(block)):
            file.write(number.to_bytes(16, "big") + block[16:])
    return path


def http(url, method="GET", body=None, headers=None, seconds=PATIENCE):
    """(status, fields, body)"""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def eventually(condition, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Scenario(unittest.TestCase):
    """Starts programs and ends them; shows what they said when a test fails."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="isotube-faults-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.programs = []
        self.addCleanup(self._end_programs)

    def _end_programs(self):
        for program in reversed(self.programs):
            program.kill()

    def output(self):
        """What every program of this test said."""
        return "\n".join(f"--- {program.name}\n{program.text()[-4000:]}" for program in self.programs if hasattr(program, "process"))

    def keep(self, program):
        self.programs.append(program)
        return program

    def target(self, serve=echo):
        target = Target(serve)
        self.addCleanup(target.close)
        return target.port

    def _started(self, kind, *arguments, **options):
        # Kept before it is known to be ready, so that a start that fails is seen and ended too.
        program = kind.__new__(kind)
        self.programs.append(program)
        program.__init__(self.folder, *arguments, **options)
        return program

    def gateway(self, *options, allow=(), **more):
        rules = [part for rule in allow
                 for part in ("--allow", rule if isinstance(rule, str) else f"tcp:127.0.0.1:{rule}")]
        more.setdefault("name", f"gateway{len(self.programs)}")
        return self._started(Gateway, *rules, *options, **more)

    def client(self, url, *targets, **more):
        more.setdefault("name", f"client{len(self.programs)}")
        return self._started(Client, url, *targets, **more)

    def isotube(self, *arguments, environment=None, seconds=60):
        """Runs isotube to its end: (exit code, standard output, standard error)."""
        done = subprocess.run([ISOTUBE, *arguments], capture_output=True, text=True, timeout=seconds, cwd=self.folder,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        return done.returncode, done.stdout, done.stderr

    def interrupt(self, program, seconds=PATIENCE):
        program.signal(signal.SIGINT)
        return program.wait(seconds)
