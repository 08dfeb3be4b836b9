"""Signalling over TLS, with an authority of our own."""
from authority import Authority
from world import Scenario, round_trip


class Tls(Scenario):
    def setUp(self):
        super().setUp()
        self.port = self.target()
        authority = Authority(self.folder)
        authority.certificate("gate", "IP:127.0.0.1,DNS:localhost")
        authority.certificate("other", "DNS:other.example")

    def tls_gateway(self, name):
        return self.gateway("--tls-cert", f"{name}.pem", "--tls-key", f"{name}.key", allow=[self.port])

    def test_a_tube_over_https(self):
        gateway = self.tls_gateway("gate")
        self.assertEqual("https", gateway.scheme)
        client = self.client(gateway.url, self.port, options=["--ca-file", "ca.pem"])
        self.assertEqual(b"x" * 100_000, round_trip(client.port, b"x" * 100_000))
        named = self.client(gateway.url.replace("127.0.0.1", "localhost"), self.port, options=["--ca-file", "ca.pem"])
        self.assertEqual(b"x", round_trip(named.port, b"x"))
        self.assertEqual(0, self.interrupt(client))

    def test_an_authority_that_nobody_knows_is_not_trusted(self):
        client = self.client(self.tls_gateway("gate").url, self.port, connected=False)
        self.assertEqual(1, client.wait())
        self.assertRegex(client.text(), r"no trusted TLS connection: .*--ca-file")

    def test_a_certificate_for_another_host_is_not_trusted(self):
        client = self.client(self.tls_gateway("other").url, self.port, options=["--ca-file", "ca.pem"], connected=False)
        self.assertEqual(1, client.wait())
        self.assertRegex(client.text(), r"no trusted TLS connection: .*(host|IP address) ?.*mismatch")

    def test_a_plain_client_at_a_tls_gateway_is_told_no_nonsense(self):
        gateway = self.tls_gateway("gate")
        client = self.client(gateway.url.replace("https", "http"), self.port, options=["--retry", "0"], connected=False)
        self.assertEqual(1, client.wait())
        self.assertIn(gateway.url.replace("https", "http"), client.text())
