"""ssh and scp through a real sshd."""
import concurrent.futures
import getpass
import os
import shutil
import subprocess
from pathlib import Path

from world import Program, Scenario, closed_port, dial, eventually, random_file, sha256_of


class Ssh(Scenario):
    LIMIT = 240

    def setUp(self):
        super().setUp()
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        port = self.sshd()
        self.gateway_program = self.gateway(allow=[port])
        self.tunnel = self.client(self.gateway_program.url, port)

    def sshd(self):
        port = closed_port()
        if os.geteuid() == 0:
            # sshd asks for this folder when it is root; a service script makes it otherwise.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        (self.folder / "sshd_config").write_text(f"""
            Port {port}
            ListenAddress 127.0.0.1
            HostKey {self.folder}/host
            AuthorizedKeysFile {self.folder}/authorized
            PidFile none
            StrictModes no
            UsePAM {"yes" if os.geteuid() == 0 else "no"}
            PermitRootLogin yes
            PasswordAuthentication no
            MaxStartups 200
            Subsystem sftp internal-sftp
        """)
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
        self.keep(Program("sshd", [sshd, "-D", "-e", "-f", self.folder / "sshd_config"], self.folder))

        def greets():
            try:
                with dial(port) as connection:
                    return connection.recv(4) == b"SSH-"
            except OSError:
                return False
        eventually(greets, "sshd greets")
        return port

    def options(self):
        return ["-F", "none", "-i", self.folder / "user", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes", "-o",
                f"UserKnownHostsFile={self.folder}/known", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60"]

    def ssh(self, command, given=None):
        return subprocess.run(["ssh", *self.options(), "-p", str(self.tunnel.port), f"{getpass.getuser()}@127.0.0.1",
                               command], input=given, capture_output=True, timeout=120)

    def test_a_command_runs_and_its_exit_code_comes_back(self):
        done = self.ssh("cat; exit 7", b"through the tube")
        self.assertEqual((7, b"through the tube"), (done.returncode, done.stdout), done.stderr)

    def test_scp_copies_there_and_back(self):
        original = random_file(self.folder / "original", 32 << 20)
        remote = f"{getpass.getuser()}@127.0.0.1:{self.folder}"
        scp = ["scp", "-q", *self.options(), "-P", str(self.tunnel.port)]
        subprocess.run([*scp, original, f"{remote}/there"], check=True, timeout=120)
        subprocess.run([*scp, f"{remote}/there", self.folder / "back"], check=True, timeout=120)
        self.assertEqual(sha256_of(original), sha256_of(self.folder / "back"))

    def test_twenty_sessions_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            done = list(pool.map(lambda number: self.ssh(f"sleep 1; echo {number}"), range(20)))
        self.assertEqual([(0, b"%d\n" % number) for number in range(20)], [(each.returncode, each.stdout) for each in done])
