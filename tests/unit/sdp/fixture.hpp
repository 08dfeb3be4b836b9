// Descriptions that the tests read: of real stacks from files, and a small one to change line by line.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "sdp/description.hpp"

namespace isotube::sdp {

inline std::string fixture(const std::string& name) {
  std::ifstream file(std::string(ISOTUBE_FIXTURES) + "/" + name + ".sdp", std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline constexpr std::string_view kMinimal =
    "v=0\r\n"
    "o=- 1 2 IN IP4 0.0.0.0\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE 0\r\n"
    "a=ice-options:trickle\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "a=mid:0\r\n"
    "a=ice-ufrag:abcd\r\n"
    "a=ice-pwd:abcdefghijklmnopqrstuv\r\n"
    "a=fingerprint:sha-256 CA:DB:9B:50:FC:DB:A2:FD:F0:AC:26:A0:77:BF:0B:2A:97:4C:F9:BD:51:67:E1:34:2F:13:D9:E0:50:01:"
    "D9:4A\r\n"
    "a=setup:actpass\r\n"
    "a=sctp-port:5000\r\n"
    "a=max-message-size:262144\r\n";

/// kMinimal with its line that begins with `begin` replaced by `lines` (each with its CRLF), or removed.
inline std::string minimal_with(std::string_view begin, std::string_view lines) {
  std::string text(kMinimal);
  const std::size_t at = text.find("\n" + std::string(begin)) + 1;
  EXPECT_NE(at, 0U) << begin;
  return text.replace(at, text.find('\n', at) + 1 - at, lines);
}

/// kMinimal with `lines` at its end: in the media section.
inline std::string minimal_and(std::string_view lines) { return std::string(kMinimal).append(lines); }

inline Description parsed(std::string_view text, Type type = Type::Offer) {
  const auto description = parse(type, text);
  EXPECT_TRUE(description) << description.error().line << ": " << description.error().what << "\n" << text;
  return description.value_or(Description{});
}

inline ParseError refused(std::string_view text, Type type = Type::Offer) {
  const auto description = parse(type, text);
  EXPECT_FALSE(description) << text;
  return description ? ParseError{} : description.error();
}

}  // namespace isotube::sdp
