"""Two gateways and three clients on one machine at once."""
import concurrent.futures
import os

from world import Scenario, round_trip


class Many(Scenario):
    def test_two_gateways_and_three_clients_at_once(self):
        ports = [self.target(), self.target()]
        gateways = [self.gateway(allow=[port]) for port in ports]
        clients = [self.client(gateways[0].url, ports[0]), self.client(gateways[0].url, ports[0]),
                   self.client(gateways[1].url, ports[1])]
        data = [os.urandom(2_000_000) for _ in clients]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda pair: round_trip(pair[0].port, pair[1]), zip(clients, data)))
        self.assertTrue(answers == data)
        self.assertIn("2 tubes\n", self.isotube("status", gateways[0].url)[1])
        self.assertIn("1 tube\n", self.isotube("status", gateways[1].url)[1])

    def test_one_client_that_is_killed_does_not_disturb_another(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        killed, kept = self.client(gateway.url, port), self.client(gateway.url, port)
        self.assertEqual(b"a", round_trip(killed.port, b"a"))
        killed.kill()
        data = os.urandom(1_000_000)
        for _ in range(5):
            self.assertTrue(round_trip(kept.port, data) == data)
        self.assertNotIn("Lost", kept.text())
