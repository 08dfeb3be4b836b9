"""What the command says when it is used rightly and wrongly."""
import json
import socket

from world import Scenario, closed_port


class CommandLine(Scenario):
    def test_help_shows_every_command_with_examples(self):
        code, output, _ = self.isotube("--help")
        self.assertEqual(0, code)
        for command in ("gateway", "connect", "status", "demo", "version"):
            self.assertIn(command, output)
            code, detail, _ = self.isotube(command, "--help")
            self.assertEqual(0, code)
            if command != "version":
                self.assertIn("Examples:", detail)

    def test_the_version_is_told(self):
        self.assertEqual(self.isotube("version")[:2], self.isotube("--version")[:2])
        self.assertRegex(self.isotube("version")[1], r"^isotube \d+\.\d+\.\d+\n$")

    def test_wrong_usage_ends_with_2_and_names_the_mistake(self):
        url = "http://127.0.0.1:1"
        for arguments, complaint in (
                ([], "which command?"),
                (["conect"], "conect"),
                (["connect"], "URL is missing"),
                (["connect", url], "at least one -L"),
                (["connect", "127.0.0.1:1", "-L", "1:h:1"], "must begin with http"),
                (["connect", url, "-L", "nonsense"], "[BIND:]PORT:HOST:HOSTPORT"),
                (["connect", url, "-L", "1:h:1", "--retry", "many"], "--retry"),
                (["connect", url, "-L", "1:h:1", "--nonsense"], "--nonsense"),
                (["connect", url, "-L", "1:h:1", "--ice-server", "http://h"], "stun:"),
                (["gateway", "--listen", "nowhere"], "--listen nowhere"),
                (["gateway", "--udp-ports", "9-1"], "--udp-ports 9-1"),
                (["gateway", "--public-address", "name"], "--public-address name"),
                (["gateway", "--tls-cert", "cert.pem"], "tls-key"),
                (["gateway", "--log-level", "loud"], "--log-level"),
                (["gateway", "--config", "nowhere.toml"], "nowhere.toml"),
                (["demo", "--megabytes", "0"], "--megabytes")):
            with self.subTest(arguments=arguments):
                code, _, errors = self.isotube(*arguments)
                self.assertEqual(2, code, errors)
                self.assertIn(complaint, errors)

    def test_a_rule_that_can_not_be_read_is_named(self):
        code, _, errors = self.isotube("gateway", "--listen", "127.0.0.1:0", "--allow", "127.0.0.1")
        self.assertNotEqual(0, code)
        self.assertIn("127.0.0.1", errors)

    def test_a_local_port_that_is_taken_ends_with_1(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            code, _, errors = self.isotube("connect", "http://127.0.0.1:1", "-L", f"{port}:127.0.0.1:1")
        self.assertEqual(1, code)
        self.assertIn(f"-L {port}:127.0.0.1:1", errors)
        self.assertIn("Another program has the port", errors)

    def test_a_gateway_port_that_is_taken_ends_with_1(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            code, _, errors = self.isotube("gateway", "--listen", address)
        self.assertEqual(1, code)
        self.assertIn(address, errors)

    def test_a_server_that_is_no_gateway_is_said_to_be_none(self):
        port = self.target(lambda connection: (connection.recv(65536), connection.sendall(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")))
        code, _, errors = self.isotube("connect", f"http://127.0.0.1:{port}", "-L", "0:127.0.0.1:1")
        self.assertEqual(1, code)
        self.assertIn("isotube gateway?", errors)

    def test_status_of_no_gateway_ends_with_1(self):
        code, _, errors = self.isotube("status", f"http://127.0.0.1:{closed_port()}")
        self.assertEqual(1, code)
        self.assertIn("can't be reached", errors)

    def test_errors_have_no_colours_off_a_terminal(self):
        self.assertNotIn("\x1b", self.isotube("status", f"http://127.0.0.1:{closed_port()}")[2])


class Demo(Scenario):
    def test_shows_a_table(self):
        code, output, errors = self.isotube("demo", "--megabytes", "8")
        self.assertEqual(0, code, errors)
        self.assertEqual(2, output.count("equal"))
        self.assertTrue(all(len(line) <= 80 for line in output.splitlines()), output)

    def test_ends_with_one_json_object(self):
        code, output, errors = self.isotube("demo", "--megabytes", "8", "--json")
        self.assertEqual(0, code, errors)
        transfers = json.loads(output)["transfers"]
        self.assertEqual(2, len(transfers))
        for transfer in transfers:
            self.assertEqual(8_000_000, transfer["bytes"])
            self.assertEqual(transfer["sha256_sent"], transfer["sha256_got"])
            self.assertEqual(32, len(transfer["tube"]))
