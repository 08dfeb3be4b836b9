"""A 1 GiB file over HTTP, down and up, through a real nginx."""
import shutil
import subprocess

from world import Program, Scenario, closed_port, dial, eventually, random_file, sha256_of

GIB = 1 << 30


class HttpFile(Scenario):
    LIMIT = 300

    def nginx(self):
        port = closed_port()
        (self.folder / "files").mkdir()
        (self.folder / "nginx.conf").write_text(f"""
            {"user root;" if self.is_root() else ""}
            daemon off; master_process off; pid {self.folder}/nginx.pid; error_log stderr;
            events {{ }}
            http {{
              access_log off; client_max_body_size 0;
              client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;
              fastcgi_temp_path {self.folder}/fastcgi; uwsgi_temp_path {self.folder}/uwsgi;
              scgi_temp_path {self.folder}/scgi;
              server {{ listen 127.0.0.1:{port}; root {self.folder}/files; dav_methods PUT; }}
            }}""")
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
        self.keep(Program("nginx", [program, "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", "stderr"],
                          self.folder))
        eventually(lambda: self.answers(port), "nginx answers")
        return port

    @staticmethod
    def is_root():
        import os
        return os.geteuid() == 0

    @staticmethod
    def answers(port):
        try:
            dial(port).close()
            return True
        except OSError:
            return False

    def curl(self, *arguments):
        done = subprocess.run(["curl", "--silent", "--show-error", "--fail", "--max-time", "200", *arguments],
                              capture_output=True, text=True)
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_one_gibibyte_down_and_up_is_equal(self):
        port = self.nginx()
        original = random_file(self.folder / "files/down", GIB)
        digest = sha256_of(original)
        gateway = self.gateway(allow=[port])
        client = self.client(gateway.url, port)
        url = f"http://127.0.0.1:{client.port}"

        self.curl("--output", self.folder / "got", f"{url}/down")
        self.assertEqual(digest, sha256_of(self.folder / "got"))
        self.curl("--upload-file", self.folder / "got", f"{url}/up")
        self.assertEqual(digest, sha256_of(self.folder / "files/up"))
        self.assertEqual(0, self.interrupt(client))
        self.assertEqual(0, self.interrupt(gateway))
