"""--udp-ports, --public-address, --config, SIGHUP, --log-format."""
import json
import re
import signal
from pathlib import Path

from world import Scenario, closed_port, dial_in_vain, http, round_trip


def udp_ports_of(pid):
    """Local UDP ports of a process, from /proc."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if match := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                inodes.add(match.group(1))
        except OSError:
            continue
    ports = []
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                ports.append(int(fields[1].split(":")[1], 16))
    return ports


OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef01234567
a=fingerprint:sha-256 """ + ":".join(["AB"] * 32) + """
a=setup:actpass
a=sctp-port:5000
"""


class Options(Scenario):
    def test_tubes_take_their_ports_from_the_range(self):
        port = self.target()
        low = 42_000 + closed_port() % 2_000
        gateway = self.gateway("--udp-ports", f"{low}-{low + 99}", allow=[port])
        client = self.client(gateway.url, port)
        self.assertEqual(b"x", round_trip(client.port, b"x"))
        ports = udp_ports_of(gateway.pid)
        self.assertTrue(ports)
        self.assertTrue(all(low <= each <= low + 99 for each in ports), ports)

    def test_the_public_address_is_offered(self):
        gateway = self.gateway("--public-address", "192.0.2.7", allow=[1])
        status, _, answer = http(f"{gateway.url}/tubes?conversation=tunnel", "POST", OFFER.replace("\n", "\r\n").encode(),
                                 {"Content-Type": "application/sdp"})
        self.assertEqual(201, status, answer)
        self.assertRegex(answer.decode(), r"a=candidate:.* 192\.0\.2\.7 \d+ typ ")

    def test_a_tube_works_with_a_public_address_that_leads_nowhere(self):
        port = self.target()
        gateway = self.gateway("--public-address", "192.0.2.7", allow=[port])
        client = self.client(gateway.url, port)
        self.assertEqual(b"x", round_trip(client.port, b"x"))

    def test_options_come_from_a_file_and_the_command_line_wins(self):
        port = self.target()
        config = self.folder / "isotube.toml"
        config.write_text(f'allow = ["tcp:127.0.0.1:{port}", "tcp:127.0.0.1:1"]\n[gateway]\nworkers = 1\nlisten = "bad"\n'
                          f'[connect]\nretry = 3\n')
        gateway = self.gateway("--config", str(config))
        self.assertIn(f"tcp:127.0.0.1:{port}, tcp:127.0.0.1:1", gateway.text())
        client = self.client(gateway.url, port)
        self.assertEqual(b"x", round_trip(client.port, b"x"))

    def test_a_wrong_setting_in_the_file_is_named(self):
        config = self.folder / "isotube.toml"
        config.write_text('listn = "127.0.0.1:0"\n')
        code, _, errors = self.isotube("gateway", "--config", str(config))
        self.assertEqual(2, code)
        self.assertIn("'listn' is no setting of isotube gateway", errors)

    def test_sighup_reads_the_allow_list_again_and_keeps_the_tube(self):
        first, second = self.target(), self.target()
        config = self.folder / "isotube.toml"
        config.write_text(f'allow = ["tcp:127.0.0.1:{first}"]\n')
        gateway = self.gateway("--config", str(config))
        client = self.client(gateway.url, first, second)
        self.assertEqual(b"", dial_in_vain(client.ports[1]))
        config.write_text(f'allow = ["tcp:127.0.0.1:{first}", "tcp:127.0.0.1:{second}"]\n')
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("read again")
        self.assertEqual(b"x", round_trip(client.ports[1], b"x"))
        self.assertEqual(1, len(re.findall("Connected to ", client.text())))

    def test_sighup_with_a_broken_file_changes_nothing(self):
        port = self.target()
        config = self.folder / "isotube.toml"
        config.write_text(f'allow = ["tcp:127.0.0.1:{port}"]\n')
        gateway = self.gateway("--config", str(config))
        client = self.client(gateway.url, port)
        config.write_text('allow = ["nonsense"]\n')
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("(?i)error|failed")
        self.assertEqual(b"x", round_trip(client.port, b"x"))

    def test_logs_can_be_json(self):
        port = self.target()
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port, options=["--log-format", "json"])
        for line in client.text().splitlines():
            self.assertEqual({"time", "level", "text"}, set(json.loads(line)))

    def test_health_is_told_without_a_token(self):
        gateway = self.gateway(allow=[1])
        self.assertEqual(200, http(f"{gateway.url}/healthz")[0])
        self.assertEqual(200, http(f"{gateway.url}/readyz")[0])

    def test_a_foreign_page_is_refused(self):
        gateway = self.gateway(allow=[1])
        self.assertEqual(403, http(f"{gateway.url}/tubes", headers={"Origin": "https://evil.example"})[0])
        self.assertEqual(403, http(f"{gateway.url}/tubes", headers={"Host": "evil.example"})[0])
