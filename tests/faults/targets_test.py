"""Targets that can't be reached, or die: a clear message, the right reason, no hang."""
import threading

from world import Scenario, closed_port, dial, dial_in_vain, ended


class Targets(Scenario):
    def fails(self, allow, target, reason, *patterns):
        """A connection to `target` ends empty, and the client says why."""
        gateway = self.gateway(allow=allow)
        client = self.client(gateway.url, f"127.0.0.1:0:{target}")
        self.assertEqual(b"", dial_in_vain(client.port))
        line = client.wait_for(r"The connection to .*").group(0)
        self.assertIn(f"(reason {reason},", line)
        for pattern in patterns:
            self.assertIn(pattern, line)
        self.assertRegex(gateway.wait_for(r"connection who=.*").group(0), rf"reason={reason}\b")
        # The tube is none the worse for it.
        self.assertIn("1 tube\n", self.isotube("status", gateway.url)[1])
        return line

    def test_a_port_where_nobody_listens_is_refused(self):
        port = closed_port()
        self.fails([port], f"127.0.0.1:{port}", 10, f"127.0.0.1:{port}")

    def test_a_name_that_does_not_exist(self):
        self.fails(["tcp:no-such-host.invalid:80"], "no-such-host.invalid:80", 16)

    def test_a_target_that_is_not_allowed(self):
        port = self.target()
        self.fails(["tcp:127.0.0.1:1"], f"127.0.0.1:{port}", 4, "not allowed by this gateway",
                   f"--allow tcp:127.0.0.1:{port}")

    def test_without_allow_the_gateway_connects_nowhere(self):
        self.fails([], f"127.0.0.1:{self.target()}", 4, "not allowed by this gateway")

    def test_a_target_that_dies_in_mid_transfer(self):
        def die(connection):
            connection.sendall(b"half")
            connection.recv(2)
            # Closing with a linger of 0 s sends a reset, as a process that is killed does with unread data.
            import socket
            import struct
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        port = self.target(die)
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        with dial(client.port) as connection:
            self.assertEqual(b"half", connection.recv(4))
            connection.sendall(b"go")
            ended(connection)
        self.assertIn("(reason 9,", client.wait_for(r"The connection to .*").group(0))

    def test_a_failing_target_does_not_disturb_a_transfer_beside_it(self):
        port, dead = self.target(), closed_port()
        gateway = self.gateway(allow=[port, dead])
        client = self.client(gateway.url, port, dead)
        stop = threading.Event()

        def trouble():
            while not stop.is_set():
                dial_in_vain(client.ports[1])
        troublemaker = threading.Thread(target=trouble)
        troublemaker.start()
        try:
            with dial(client.ports[0]) as connection:
                for number in range(200):
                    data = number.to_bytes(4, "big") * 1000
                    connection.sendall(data)
                    answer = b""
                    while len(answer) < len(data):
                        answer += connection.recv(65536)
                    self.assertEqual(data, answer)
        finally:
            stop.set()
            troublemaker.join()
