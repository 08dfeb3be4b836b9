"""What TCP promises, many times at once and through one tube."""
import concurrent.futures
import hashlib
import os
import socket
import threading

from world import Scenario, dial, read_all, round_trip


class Connections(Scenario):
    def test_a_hundred_connections_at_once_keep_their_own_bytes(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        together = threading.Barrier(100)

        def one(_number):
            data = os.urandom(200_000)
            with dial(client.port, 60) as connection:
                together.wait(60)  # all hundred are open at the same time
                writer = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
                writer.start()
                answer = read_all(connection)
                writer.join()
            return answer == data

        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            self.assertEqual([True] * 100, list(pool.map(one, range(100))))

    def test_several_forwards_share_a_tube(self):
        def greeter(text):
            return self.target(lambda connection: connection.sendall(text))
        ports = [greeter(b"one"), greeter(b"two"), greeter(b"three")]
        gateway = self.gateway(allow=ports)
        client = self.client(gateway.url, *ports)
        for port, text in zip(client.ports, (b"one", b"two", b"three")):
            with dial(port) as connection:
                self.assertEqual(text, read_all(connection))
        code, output, _ = self.isotube("status", gateway.url)
        self.assertEqual(0, code)
        self.assertIn("1 tube\n", output)

    def test_the_client_ends_its_half_first(self):
        def hasher(connection):
            connection.sendall(hashlib.sha256(read_all(connection)).hexdigest().encode())
        port = self.target(hasher)
        client = self.client(self.gateway(allow=[port]).url, port)
        data = os.urandom(3_000_000)
        self.assertEqual(hashlib.sha256(data).hexdigest().encode(), round_trip(client.port, data))

    def test_the_target_ends_its_half_first(self):
        heard = []
        done = threading.Event()

        def talker(connection):
            connection.sendall(b"first")
            connection.shutdown(socket.SHUT_WR)
            heard.append(read_all(connection))
            done.set()
        port = self.target(talker)
        client = self.client(self.gateway(allow=[port]).url, port)
        with dial(client.port) as connection:
            self.assertEqual(b"first", read_all(connection))
            connection.sendall(b"second" * 100_000)
            connection.shutdown(socket.SHUT_WR)
            self.assertTrue(done.wait(20))
        self.assertEqual([b"second" * 100_000], heard)

    def test_a_connection_that_does_not_read_stops_no_other(self):
        echo_port = self.target()

        def flood(connection):
            while True:
                connection.sendall(bytes(65536))
        flood_port = self.target(flood)
        client = self.client(self.gateway(allow=[echo_port, flood_port]).url, echo_port, flood_port)
        with dial(client.ports[1]) as stuck:
            self.assertTrue(stuck.recv(1))
            for _ in range(5):
                self.assertEqual(b"x" * 500_000, round_trip(client.ports[0], b"x" * 500_000))
