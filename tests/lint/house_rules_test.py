#!/usr/bin/env python3
"""Plants violations of the house's rules, one at a time, and demands that each is found, and that good code is not."""
import unittest
from pathlib import Path

import house_rules

VIOLATIONS = [
    ("src/ice/a.hpp", '#include "runtime/runtime.hpp"'),
    ("src/base/a.hpp", '#include "frame/frame.hpp"'),
    ("src/sctp/a.hpp", '#include "datachannel/channels.hpp"'),
    ("src/tube/a.hpp", '#include "gateway/gateway.hpp"'),
    ("src/gateway/a.hpp", '#include "client/connect.hpp"'),
    ("src/client/a.hpp", '#include "gateway/gateway.hpp"'),
    ("src/gateway/a.hpp", '#include "app/log.hpp"'),
    ("src/novel/a.hpp", '#include "base/bytes.hpp"'),
    ("src/ice/a.hpp", "#include <boost/asio.hpp>"),
    ("src/ice/a.hpp", "#  include <sys/socket.h>"),
    ("src/ice/a.cpp", "#include <arpa/inet.h>"),
    ("src/dtls/a.cpp", "#include <openssl/rand.h>"),
    ("src/sctp/a.cpp", "#include <thread>"),
    ("src/sctp/a.cpp", "#include <mutex>"),
    ("src/sctp/a.cpp", "#include <random>"),
    ("src/sctp/a.cpp", "#include <iostream>"),
    ("src/sctp/a.cpp", "  auto now = std::chrono::steady_clock::now();"),
    ("src/sctp/a.cpp", "  using Clock = std::chrono::system_clock;"),
    ("src/sctp/a.cpp", "  auto seconds = time(nullptr);"),
    ("src/sctp/a.cpp", "  auto seconds = std::time(nullptr);"),
    ("src/sctp/a.cpp", "  ::clock_gettime(CLOCK_MONOTONIC, &spec);"),
    ("src/sctp/a.cpp", "  int number = rand();"),
    ("src/sctp/a.cpp", "  std::random_device device;"),
    ("src/sctp/a.cpp", "  RAND_bytes(bytes, 4);"),
    ("src/sctp/a.cpp", "  std::mutex mutex_;"),
    ("src/sctp/a.cpp", "  std::atomic<int> count_;"),
    ("src/sctp/a.cpp", "  std::jthread worker_;"),
    ("src/sctp/a.cpp", "  const char* home = std::getenv(name);"),
    ("src/sctp/a.cpp", "thread_local int depth = 0;"),
    ("src/sctp/a.cpp", "  static int calls = 0;"),
    ("src/sctp/a.cpp", "static std::vector<int> all;"),
    ("src/sctp/a.hpp", "  inline static std::size_t instances = 0;"),
    ("src/sctp/a.hpp", "inline int counter = 0;"),
    ("src/sctp/a.cpp", "  std::cerr << 1;"),
    ("src/sctp/a.cpp", "  printf(format, 1);"),
    ("src/sctp/a.cpp", "  std::map<Stream*, int> streams_;"),
    ("src/sctp/a.cpp", "  std::set<const Chunk*> chunks_;"),
    ("src/sctp/a.cpp", "  std::map<std::shared_ptr<Stream>, int> streams_;"),
    ("src/ice/a.cpp", "  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);"),
]

GOOD = [
    ("src/ice/a.hpp", '#include "stun/message.hpp"\n#include <chrono>\n#include <map>'),
    ("src/ice/a.hpp", '#include "ice/candidate.hpp"'),
    ("src/base/address.cpp", "#include <arpa/inet.h>"),
    ("src/runtime/a.cpp", "#include <mutex>\n  auto now = std::chrono::steady_clock::now();\n  static int calls = 0;"),
    ("src/gateway/a.hpp", '#include "tube/tube.hpp"'),
    ("src/sctp/a.cpp", "  // std::mutex and time(nullptr) are not for us"),
    ("src/sctp/a.cpp", "  /* rand()\n  std::thread */"),
    ("src/sctp/a.cpp", '  fail("no time() and no rand() here");'),
    ("src/sctp/a.cpp", "  timers_.time(now);\n  timer->rand();\n  run_time(3);\n  const auto x = handshake_time();"),
    ("src/sctp/a.cpp", "  static constexpr int kLimit = 3;\n  static const int kOther = 4;\n  static_assert(kLimit == 3);"),
    ("src/sctp/a.cpp", "  static int parse(int x);\n  [[nodiscard]] static Digest digest_of(std::string_view token);"),
    ("src/sctp/a.cpp", "  std::map<int, Stream*> streams_;\n  std::map<std::string, int> names_;"),
    ("src/sctp/a.hpp", "inline constexpr int kLimit = 3;\ninline const char* name() { return nullptr; }"),
    ("src/sctp/a.cpp", "  const long big = 1'000'000; int rand_count = 2; const char c = '\"';"),
]


class HouseRules(unittest.TestCase):
    def test_catches_planted_violations(self):
        for path, text in VIOLATIONS:
            with self.subTest(path=path, text=text):
                self.assertTrue(list(house_rules.check_file(Path(path), text)))

    def test_names_the_line(self):
        found = list(house_rules.check_file(Path("src/sctp/a.cpp"), "int a;\n/* x\n */ std::mutex m;\n"))
        self.assertEqual([3], [line for line, _ in found])

    def test_leaves_good_code_alone(self):
        for path, text in GOOD:
            with self.subTest(path=path, text=text):
                self.assertEqual([], list(house_rules.check_file(Path(path), text)))

    def test_finds_data_that_can_change_in_a_library(self):
        symbols = """\
0000000000000000 l    d  .bss\t0000000000000000 .bss
0000000000000008 l     O .bss\t0000000000000004 isotube::sctp::count()::calls
0000000000000000 l     O .data.rel.ro.local\t0000000000000008 isotube::sctp::kNames
0000000000000000  w    O .data.rel.local.DW.ref.__gxx_personality_v0\t0000000000000008 .hidden DW.ref.__gxx_personality_v0
0000000000000010 g     O .data\t0000000000000004 isotube::sctp::table
0000000000000000 u     O .bss._ZN1AIiE1bE\t0000000000000004 A<int>::b
0000000000000018 l     O .bss\t0000000000000004 isotube::sctp::(anonymous namespace)::kNames
0000000000000020 l     O .rodata\t0000000000000008 isotube::ice::kMax
0000000000000000 g     F .text\t0000000000000008 isotube::sctp::count()
"""
        self.assertEqual(["isotube::sctp::count()::calls", "isotube::sctp::table", "A<int>::b"],
                         list(house_rules.shared_data(symbols)))


if __name__ == "__main__":
    unittest.main()
