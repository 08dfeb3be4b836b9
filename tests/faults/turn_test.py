"""Transfers through a real coturn and nothing else, over UDP, TCP and TLS; logins; a relay that is started again."""
import os
import shutil
import threading

from authority import Authority
from world import Program, Scenario, closed_port, dial, eventually, round_trip

MEBIBYTE = 1 << 20


class Coturn(Program):
    """Listens for UDP, TCP and, with a certificate, TLS on free ports of 127.0.0.1."""

    def __init__(self, folder, *options, port=None, name="coturn"):
        self.port = port or closed_port()
        self.tls_port = closed_port()
        program = shutil.which("turnserver", path="/usr/bin:/usr/sbin")
        super().__init__(name, [
            program, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={self.port}",
            f"--tls-listening-port={self.tls_port}", "--realm=relay.example", "--no-cli", "--allow-loopback-peers",
            f"--userdb={folder}/{name}.db", f"--pidfile={folder}/{name}.pid", "--log-file=stdout", "--simple-log",
            "--verbose", "--no-dtls", *options], folder)
        eventually(self.listens, "coturn listens")

    def listens(self):
        try:
            dial(self.port).close()
            return True
        except OSError:
            return False

    def url(self, transport="udp"):
        return f"turn:127.0.0.1:{self.port}?transport={transport}"


class Turn(Scenario):
    LOGIN = ("--lt-cred-mech", "--user=alice:wonder")

    def coturn(self, *options, **rest):
        return self.keep(Coturn(self.folder, *options, **rest))

    def relayed_client(self, *options, gateway_options=()):
        """A client that speaks to relays only, at a gateway that is reached directly."""
        port = self.target()
        gateway = self.gateway(*gateway_options, allow=[port])
        return self.client(gateway.url, port, options=["--ice-policy", "relay", *options])

    def carries(self, client, size=16 * MEBIBYTE):
        """There and back, through the relay."""
        self.assertRegex(client.text(), r"Connected to .*, relay/")
        data = os.urandom(size)
        self.assertTrue(data == round_trip(client.port, data), "what came back is not what was sent")

    def test_a_transfer_over_each_transport(self):
        authority = Authority(self.folder)
        authority.certificate("relay", "IP:127.0.0.1,DNS:localhost")
        coturn = self.coturn(*self.LOGIN, "--cert=relay.pem", "--pkey=relay.key")
        login = ["--ice-user", "alice", "--ice-credential", "wonder"]
        for url in (coturn.url("udp"), coturn.url("tcp"), f"turns:127.0.0.1:{coturn.tls_port}"):
            with self.subTest(url):
                trust = ["--ca-file", "ca.pem"] if url.startswith("turns:") else []
                self.carries(self.relayed_client("--ice-server", url, *login, *trust))

    def test_the_gateway_gives_its_clients_logins_that_end(self):
        coturn = self.coturn("--use-auth-secret", "--static-auth-secret=north")
        servers = ["--ice-server", coturn.url(), "--ice-secret", "north"]
        client = self.relayed_client(gateway_options=servers)
        self.carries(client)
        self.assertNotIn("north", client.text())

    def test_a_wrong_password_is_said_and_a_certificate_is_checked(self):
        Authority(self.folder).certificate("relay", "DNS:other.example")
        coturn = self.coturn(*self.LOGIN, "--cert=relay.pem", "--pkey=relay.key")
        gateway = self.gateway(allow=[1])
        wrong = self.client(gateway.url, 1, connected=False,
                            options=["--ice-policy", "relay", "--ice-server", coturn.url(), "--ice-user", "alice",
                                     "--ice-credential", "nonsense"])
        line = wrong.wait_for(r".*401.*").group(0)
        self.assertIn(f"127.0.0.1:{coturn.port}", line)
        self.assertNotIn("nonsense", wrong.text())
        foreign = self.client(gateway.url, 1, connected=False,
                              options=["--ice-policy", "relay", "--ice-server", f"turns:127.0.0.1:{coturn.tls_port}",
                                       "--ice-user", "alice", "--ice-credential", "wonder", "--ca-file", "ca.pem"])
        foreign.wait_for(r"certificate")

    def test_nothing_is_left_at_the_relay_when_a_client_leaves(self):
        coturn = self.coturn(*self.LOGIN)
        client = self.relayed_client("--ice-server", coturn.url(), "--ice-user", "alice", "--ice-credential", "wonder")
        self.carries(client, MEBIBYTE)
        self.assertEqual(0, self.interrupt(client))
        coturn.wait_for(r"refreshed, realm=<relay.example>, username=<alice>, lifetime=0|delete: realm=<relay.example>",
                        seconds=5)

    def test_a_relay_that_is_started_again_costs_no_byte(self):
        coturn = self.coturn(*self.LOGIN)
        client = self.relayed_client("--ice-server", coturn.url(), "--ice-user", "alice", "--ice-credential", "wonder")
        size = 64 * MEBIBYTE
        with dial(client.port, seconds=60) as connection:
            data = os.urandom(size)
            writer = threading.Thread(target=connection.sendall, args=(data,))
            writer.start()
            got = bytearray()
            restarted = False
            while len(got) < size and (part := connection.recv(1 << 16)):
                got += part
                if not restarted and len(got) > size // 8:
                    restarted = True
                    coturn.kill()
                    self.coturn(*self.LOGIN, port=coturn.port, name="coturn-again")
            writer.join()
        self.assertTrue(data == got, "what came back is not what was sent")
