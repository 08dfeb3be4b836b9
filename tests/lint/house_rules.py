#!/usr/bin/env python3
"""The rules of the house that no compiler knows: which room may use which, and what sans-IO means.

    house_rules.py TOP [BUILD]    prints each violation as FILE:LINE: text; exit code 1 if there is one. With a build
                                  directory, the libraries in it are searched for data that can change, too.
"""
import re
import subprocess
import sys
from pathlib import Path

# From the ground up: a room may use those before it, never those after it.
ROOMS = ["base", "frame", "guacamole", "tunnel", "sctp", "datachannel", "dtls", "stun", "turn", "ice", "sdp", "peer",
         "isolation", "runtime", "webrtc", "tube", "cell", "client", "gateway", "app"]
FIRST_WITH_IO = ROOMS.index("runtime")
SANS_IO_ROOMS = ROOMS[:FIRST_WITH_IO]
SIBLINGS = {frozenset(("client", "gateway"))}  # neither may use the other

# Headers that bring sockets, threads, clocks, randomness, files or a console into a machine.
BANNED_HEADERS = [
    r"boost/.*", r"spdlog/.*", r"fmt/.*", r"CLI/.*", r"ares\.h", r"sys/.*", r"netinet/.*", r"net/.*", r"arpa/.*",
    r"linux/.*", r"netdb\.h", r"unistd\.h", r"poll\.h", r"fcntl\.h", r"pthread\.h", r"signal\.h", r"csignal", r"time\.h",
    r"ctime", r"thread", r"mutex", r"shared_mutex", r"condition_variable", r"future", r"atomic", r"semaphore", r"barrier",
    r"latch", r"stop_token", r"coroutine", r"random", r"iostream", r"fstream", r"ostream", r"istream", r"cstdio",
    r"stdio\.h", r"filesystem", r"syncstream", r"openssl/rand\.h",
]
BANNED_TEXT = [
    (r"\b(?:system|steady|high_resolution|utc|file|tai|gps)_clock\b", "a clock"),
    (r"\bMachineClock::now\b", "a clock"),
    (r"(?<![\w.>:])(?:std::|::)?(?:time|clock|gettimeofday|clock_gettime|timespec_get|localtime|gmtime)\s*\(", "a clock"),
    (r"\bstd::(?:random_device|mt19937(?:_64)?|default_random_engine)\b", "a random source"),
    (r"(?<![\w.>:])(?:std::|::)?(?:rand|srand|random|drand48|getrandom|getentropy|RAND_\w*bytes)\s*\(", "a random source"),
    (r"\bstd::(?:j?thread|\w*mutex|condition_variable\w*|atomic\w*|future|promise|async|call_once|once_flag|lock_guard|"
     r"unique_lock|scoped_lock|shared_lock|this_thread)\b", "threads"),
    (r"\bthread_local\b", "thread-wide state"),
    (r"(?<![\w.>:])(?:std::|::)?(?:getenv|setenv|secure_getenv)\s*\(", "the environment"),
    (r"\bstd::(?:cout|cerr|clog|cin)\b", "a console"),
    (r"(?<![\w.>:])(?:std::|::)?(?:printf|fprintf|puts|fopen|system|popen)\s*\(", "a console, a file or a process"),
    (r"(?<![\w.>:])(?:(?:::)?(?:recvfrom|recvmsg|sendto|sendmsg|setsockopt|epoll_wait)|::(?:socket|poll|select))\s*\(",
     "sockets"),
    (r"\bstd::(?:multi)?(?:set|map)\s*<\s*(?:const\s+)?[\w:]+(?:\s*<[^<>]*>)?(?:\s+const)?\s*\*", "order by address"),
    (r"\bstd::(?:multi)?(?:set|map)\s*<\s*std::(?:shared|unique|weak)_ptr\b", "order by address"),
    (r"\basio\b", "Asio"),
]
# `static` data that can change, in a function, a class or a file.
MUTABLE_STATIC = re.compile(r"^\s*(?:inline\s+)?static\s+(?!assert\b|const\b|constexpr\b|consteval\b|constinit\s+const\b|"
                            r"inline\s+const|cast\b)[^()]*?[\w>&*\]]\s+\w+(?:\s*\[[^\]]*\])?\s*(?:=[^=].*|\{.*\})?;")
MUTABLE_GLOBAL = re.compile(r"^(?:inline\s+|extern\s+)(?!const\b|constexpr\b|consteval\b|namespace\b|\"C\")(?![^;=({]*\bconst\b)"
                            r"[\w:<>,&*\s]+\s\w+\s*(?:=[^=].*|\{[^()]*\})?;")

# (file, header or what the complaint names) that are right, and why.
ALLOWED = {
    ("src/dtls/certificate.cpp", "ctime"): "std::time_t, OpenSSL's type for the time that is handed in",
    ("src/dtls/certificate.cpp", "openssl/rand.h"): "OpenSSL's own source, which dtls::Surroundings replaces",
    ("src/dtls/certificate.cpp", "a random source"): "OpenSSL's own source, which dtls::Surroundings replaces",
    ("src/base/assert.cpp", "cstdio"): "the last words before abort()",
    ("src/base/assert.cpp", "a console, a file or a process"): "the last words before abort()",
    ("src/isolation/gate.hpp", "atomic"): "a breaker is asked from many threads: one atomic word is its fast path",
    ("src/isolation/gate.hpp", "threads"): "a breaker is asked from many threads: one atomic word is its fast path",
    ("src/isolation/breaker.hpp", "mutex"): "what its atomic word cannot decide, a breaker decides under its own lock",
    ("src/isolation/breaker.hpp", "threads"): "what its atomic word cannot decide, a breaker decides under its own lock",
    ("src/base/address.cpp", "arpa/inet.h"): "inet_pton and inet_ntop are pure functions from text to bytes and back",
}


def strip(text):
    """Comments and literals blanked, lines kept."""
    def blank(match):
        token = match.group(0)
        if token.startswith(("/", "'")) or token.startswith(('"', 'R"')):
            return re.sub(r"[^\n]", " ", token)
        return token
    pattern = r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, blank, text)


def room_of(path):
    parts = path.parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] == "app" else None


def check_include(path, room, included):
    target = included.split("/")[0]
    if target not in ROOMS or target == room:
        return None
    if room not in ROOMS:
        return f"room '{room}' has no place in the house: name it in tests/lint/house_rules.py"
    if ROOMS.index(target) > ROOMS.index(room):
        return f"{room} is below {target} and may not use it"
    if frozenset((room, target)) in SIBLINGS:
        return f"{room} and {target} stand side by side and may not use each other"
    return None


def check_file(path, text):
    """Yields (line, complaint)."""
    room = room_of(path)
    sans_io = room not in ROOMS or ROOMS.index(room) < FIRST_WITH_IO
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not include:
            continue
        header = include.group(2)
        complaint = check_include(path, room, header)
        if complaint:
            yield number, complaint
        if sans_io and (str(path), header) not in ALLOWED:
            if any(re.fullmatch(banned, header) for banned in BANNED_HEADERS):
                yield number, f"<{header}> has no place in a sans-IO room"
    if not sans_io:
        return
    for number, line in enumerate(strip(text).splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        for pattern, what in BANNED_TEXT:
            if re.search(pattern, line) and (str(path), what) not in ALLOWED:
                yield number, f"a machine knows no {what.removeprefix('a ')}: {line.strip()}"
        if MUTABLE_STATIC.match(line) or MUTABLE_GLOBAL.match(line):
            yield number, f"data that tubes would share: {line.strip()}"


def check_tree(top):
    top = Path(top)
    for folder in ("src", "app"):
        for path in sorted((top / folder).rglob("*")):
            if path.suffix not in (".hpp", ".cpp", ".h", ".cc"):
                continue
            relative = path.relative_to(top)
            if room_of(relative) is None:
                yield f"{relative}:1: a source file outside the rooms"
                continue
            for number, complaint in check_file(relative, path.read_text()):
                yield f"{relative}:{number}: {complaint}"


def shared_data(symbols):
    """The names of data that can be written, from what objdump -t says."""
    for line in symbols.splitlines():
        symbol = re.match(r"[0-9a-f]+ .{6}. (\.(?:data|bss|tdata|tbss)\S*|\*COM\*)\s+[0-9a-f]+\s+(?:\.hidden )?(.*)", line)
        # Constants with addresses in them are written once, by the loader (.data.rel.ro); others that are computed, before
        # main(): clang-tidy sees to it that what is named like a constant is one.
        if symbol and re.search(r"(?:^|::)k[A-Z]\w*$", symbol.group(2)):
            continue
        if symbol and not symbol.group(2).startswith(".") and not symbol.group(1).startswith(
                (".data.rel.ro", ".data.rel.local.DW.ref")):
            yield symbol.group(2)


def check_libraries(build):
    """What the compiler made of it: data that can be written and outlives a call (function-local statics too)."""
    for room in SANS_IO_ROOMS:
        library = Path(build) / "src" / room / f"libisotube_{room}.a"
        if library.exists():
            symbols = subprocess.run(["objdump", "-t", "-C", library], capture_output=True, text=True, check=True).stdout
            for name in shared_data(symbols):
                yield f"{library.name}: data that tubes would share: {name}"


def main():
    violations = list(check_tree(sys.argv[1]))
    if len(sys.argv) > 2:
        violations += check_libraries(sys.argv[2])
    print("\n".join(violations), end="\n" if violations else "")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
