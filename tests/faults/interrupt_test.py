"""Ctrl-C on either side."""
import json
import signal
import time

from world import Scenario, closed_port, dial, ended, eventually


class Interrupt(Scenario):
    def test_the_client_ends_at_once_and_the_gateway_forgets_its_tube(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        with dial(client.port) as connection:
            connection.sendall(b"x")
            self.assertEqual(b"x", connection.recv(1))
            started = time.monotonic()
            self.assertEqual(0, self.interrupt(client))
            self.assertLess(time.monotonic() - started, 4)
            self.assertEqual(b"", ended(connection))
        client.wait_for("Closed ")
        eventually(lambda: json.loads(self.isotube("status", gateway.url, "--json")[1]) == [], "the tube is gone")

    def test_the_client_ends_while_it_has_no_gateway(self):
        client = self.client(f"http://127.0.0.1:{closed_port()}", self.target(), connected=False)
        client.wait_for("Can't connect: ")
        self.assertEqual(0, self.interrupt(client, 4))

    def test_the_gateway_ends_and_the_client_says_so(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        self.assertEqual(0, self.interrupt(gateway))
        client.wait_for("Lost the gateway: ")

    def test_a_second_interrupt_ends_a_draining_gateway_at_once(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        with dial(client.port) as connection:
            connection.sendall(b"x")
            self.assertEqual(b"x", connection.recv(1))
            gateway.signal(signal.SIGINT)
            gateway.wait_for("Draining")
            self.assertEqual(1, self.interrupt(gateway, 3))

    def test_a_killed_client_leaves_nothing_at_the_gateway(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        client.kill()
        # Consent expires after 30 s without an answer (RFC 7675 5.1).
        eventually(lambda: json.loads(self.isotube("status", gateway.url, "--json")[1]) == [], "the tube is gone", 60)
