"""Tokens and roles."""
import json

from world import Scenario, round_trip


class Tokens(Scenario):
    def setUp(self):
        super().setUp()
        self.port = self.target()
        tokens = self.file("tokens", "# who may come in\nalice:client:alice-token-0123456789\nbob:client:bob-token-0123456789\n"
                                     "root:admin:root-token-0123456789\n")
        self.gate = self.gateway("--token-file", tokens, allow=[self.port])
        self.files = {name: self.file(name, f"{name}-token-0123456789\n") for name in ("alice", "bob", "root", "eve")}

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def status(self, name):
        code, output, errors = self.isotube("status", self.gate.url, "--json", "--token-file", self.files[name])
        self.assertEqual(0, code, errors)
        return json.loads(output)

    def test_a_client_token_opens_a_tube_and_sees_only_its_own(self):
        alice = self.client(self.gate.url, self.port, options=["--token-file", self.files["alice"]])
        self.client(self.gate.url, self.port, environment={"ISOTUBE_TOKEN": "bob-token-0123456789"})
        self.assertEqual(b"x", round_trip(alice.port, b"x"))
        self.assertEqual(1, len(self.status("alice")))
        self.assertEqual(1, len(self.status("bob")))
        self.assertNotEqual(self.status("alice")[0]["id"], self.status("bob")[0]["id"])
        self.assertEqual(2, len(self.status("root")))
        self.gate.wait_for(r"connection who=alice ")

    def test_without_a_token_the_client_ends_and_says_what_to_do(self):
        client = self.client(self.gate.url, self.port, connected=False)
        self.assertEqual(1, client.wait())
        self.assertIn("(401)", client.text())
        self.assertIn("--token-file", client.text())

    def test_an_unknown_token_is_refused_and_never_shown(self):
        client = self.client(self.gate.url, self.port, options=["--token-file", self.files["eve"]], connected=False)
        self.assertEqual(1, client.wait())
        self.assertIn("(401)", client.text())
        self.assertNotIn("eve-token", client.text() + self.gate.text())

    def test_a_token_file_that_is_not_there_is_named(self):
        code, _, errors = self.isotube("status", self.gate.url, "--token-file", "nowhere")
        self.assertEqual(1, code)
        self.assertIn("--token-file nowhere can't be read", errors)

    def test_listening_off_loopback_needs_tokens(self):
        code, _, errors = self.isotube("gateway", "--listen", "0.0.0.0:0", "--allow", "tcp:127.0.0.1:1")
        self.assertEqual(2, code)
        self.assertIn("token", errors)
