"""The gateway dies, goes, and comes back: the client says so and comes back by itself."""
import signal
import threading
import time

from world import Scenario, closed_port, dial, ended, round_trip


class GatewayGone(Scenario):
    LIMIT = 180

    def test_the_client_comes_back_when_a_killed_gateway_does(self):
        port = self.target()
        listen = f"127.0.0.1:{closed_port()}"
        gateway = self.gateway(allow=[port], listen=listen)
        client = self.client(gateway.url, port)
        with dial(client.port) as connection:
            connection.sendall(b"x")
            self.assertEqual(b"x", connection.recv(1))
            gateway.kill()
            self.gateway(allow=[port], listen=listen)
            client.wait_for(r"Lost the gateway: .*; trying again in ", seconds=60)
            self.assertEqual(b"", ended(connection))
        client.wait_for("Connected to ", times=2, seconds=60)
        self.assertEqual(b"again", round_trip(client.port, b"again"))

    def test_a_gateway_that_stays_away_is_tried_again_and_again(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(0, gateway.wait())
        client.wait_for(r"Lost the gateway: .*; trying again in ")
        client.wait_for(r"Can't connect: .*can't be reached: .*; trying again in ", times=2, seconds=60)
        self.assertIsNone(client.process.poll())

    def test_with_retry_it_gives_up(self):
        client = self.client(f"http://127.0.0.1:{closed_port()}", self.target(), options=["--retry", "1"],
                             connected=False)
        self.assertEqual(1, client.wait())
        self.assertRegex(client.text(), r"gave up after 2 tries: .*can't be reached")

    def test_a_connection_made_while_there_is_no_tube_waits_for_one(self):
        port = self.target()
        listen = f"127.0.0.1:{closed_port()}"
        client = self.client(f"http://{listen}", port, connected=False)
        client.wait_for("Can't connect: ")
        local = int(client.wait_for(r"Listening on \S+:(\d+) for").group(1))
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(round_trip(local, b"patience")))
        waiter.start()
        self.gateway(allow=[port], listen=listen)
        waiter.join(60)
        self.assertEqual([b"patience"], answers)

    def test_draining_lets_an_open_connection_finish_and_takes_no_new_tube(self):
        port = self.target()
        gateway = self.gateway("--drain-seconds", "20", allow=[port])
        client = self.client(gateway.url, port)
        with dial(client.port) as connection:
            connection.sendall(b"before")
            self.assertEqual(b"before", connection.recv(6))
            gateway.signal(signal.SIGTERM)
            gateway.wait_for("Draining")
            connection.sendall(b"while")
            self.assertEqual(b"while", connection.recv(5))
            late = self.client(gateway.url, port, name="late", options=["--retry", "0"], connected=False)
            self.assertEqual(1, late.wait())
            self.assertIn("503", late.text())
        self.assertEqual(0, gateway.wait(15))
        client.wait_for(r"Lost the gateway: .*TunnelClosed")

    def test_a_drain_ends_connections_that_do_not_end(self):
        port = self.target()
        gateway = self.gateway("--drain-seconds", "1", allow=[port])
        client = self.client(gateway.url, port)
        with dial(client.port) as connection:
            connection.sendall(b"x")
            self.assertEqual(b"x", connection.recv(1))
            started = time.monotonic()
            gateway.signal(signal.SIGTERM)
            self.assertEqual(b"", ended(connection))
            self.assertEqual(0, gateway.wait())
            self.assertLess(time.monotonic() - started, 10)
        self.assertIn("(reason 11,", client.wait_for(r"The connection to .*").group(0))
