#include "client/ice_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace isotube::client {
namespace {

using testing::HasSubstr;
using turn::Transport;
using Scheme = IceServer::Scheme;

IceServer read(std::string_view url) {
  auto server = IceServer::parse(url);
  EXPECT_TRUE(server) << server.error();
  return server.value_or(IceServer{});
}

TEST(IceServer, ReadsStunUrls) {
  const IceServer stun = read("stun:stun.example.com");
  EXPECT_EQ(stun.scheme, Scheme::Stun);
  EXPECT_EQ(stun.host, "stun.example.com");
  EXPECT_EQ(stun.port, 3478);
  EXPECT_EQ(stun.transport, Transport::Udp);
  EXPECT_EQ(read("STUN:192.0.2.1:19302").port, 19302);
}

// The examples of RFC 7065, appendix A, and what they stand for.
TEST(IceServer, ReadsTurnUrls) {
  struct Example {
    std::string_view url;
    Scheme scheme;
    std::string_view host;
    std::uint16_t port;
    Transport transport;
  };
  for (const Example& example : {
           Example{"turn:example.org", Scheme::Turn, "example.org", 3478, Transport::Udp},
           Example{"turns:example.org", Scheme::Turns, "example.org", 5349, Transport::Tls},
           Example{"turn:example.org:8000", Scheme::Turn, "example.org", 8000, Transport::Udp},
           Example{"turn:example.org?transport=udp", Scheme::Turn, "example.org", 3478, Transport::Udp},
           Example{"turn:example.org?transport=tcp", Scheme::Turn, "example.org", 3478, Transport::Tcp},
           Example{"turns:example.org?transport=tcp", Scheme::Turns, "example.org", 5349, Transport::Tls},
           Example{"turns:[2001:db8::1]:443", Scheme::Turns, "2001:db8::1", 443, Transport::Tls},
           Example{"turn:[2001:db8::1]?transport=tcp", Scheme::Turn, "2001:db8::1", 3478, Transport::Tcp},
           Example{"TURN:192.0.2.1:1234?Transport=TCP", Scheme::Turn, "192.0.2.1", 1234, Transport::Tcp},
       }) {
    const IceServer server = read(example.url);
    EXPECT_EQ(server.scheme, example.scheme) << example.url;
    EXPECT_EQ(server.host, example.host) << example.url;
    EXPECT_EQ(server.port, example.port) << example.url;
    EXPECT_EQ(server.transport, example.transport) << example.url;
    EXPECT_EQ(read(server.url()), server) << server.url();
  }
}

TEST(IceServer, WritesWhatItReads) {
  EXPECT_EQ(read("stun:stun.example.com").url(), "stun:stun.example.com:3478");
  EXPECT_EQ(read("turn:[2001:db8::1]").url(), "turn:[2001:db8::1]:3478?transport=udp");
  EXPECT_EQ(read("turn:relay?transport=tcp").url(), "turn:relay:3478?transport=tcp");
  EXPECT_EQ(read("turns:relay:443").url(), "turns:relay:443");
}

TEST(IceServer, RefusesOtherUrlsInPlainWords) {
  const auto why = [](std::string_view url) {
    const auto server = IceServer::parse(url);
    return server ? "it was read" : server.error();
  };
  const std::string begin = "it must begin with stun:, turn: or turns:";
  EXPECT_EQ(why(""), "the ICE server '': " + begin);
  EXPECT_EQ(why("stun"), "the ICE server 'stun': " + begin);
  EXPECT_EQ(why("http://host"), "the ICE server 'http://host': " + begin);
  EXPECT_THAT(why("stuns:host"), HasSubstr("STUN over TLS is not spoken"));
  EXPECT_THAT(why("turn:"), HasSubstr("the host is missing"));
  EXPECT_THAT(why("turn:?transport=tcp"), HasSubstr("the host is missing"));
  EXPECT_THAT(why("turn://host"), HasSubstr("there is no //"));
  EXPECT_THAT(why("turn:host/path"), HasSubstr("there is no path"));
  EXPECT_THAT(why("turn:user:password@host"), HasSubstr("do not stand in the URL"));
  EXPECT_THAT(why("turn:host:0"), HasSubstr("'0' is not a port"));
  EXPECT_THAT(why("turn:host:65536"), HasSubstr("'65536' is not a port"));
  EXPECT_THAT(why("turn:host:"), HasSubstr("'' is not a port"));
  EXPECT_THAT(why("turn:2001:db8::1"), HasSubstr("needs brackets"));
  EXPECT_THAT(why("turn:[2001:db8::1"), HasSubstr("not closed"));
  EXPECT_THAT(why("turn:[host]"), HasSubstr("'host' is not an IPv6 address"));
  EXPECT_THAT(why("turn:ho st"), HasSubstr("is not a host name"));
  EXPECT_THAT(why("stun:host?transport=udp"), HasSubstr("nothing after the port"));
  EXPECT_THAT(why("turn:host?"), HasSubstr("expected ?transport="));
  EXPECT_THAT(why("turn:host?transport=sctp"), HasSubstr("expected ?transport="));
  EXPECT_THAT(why("turn:host?transport=tcp&x=y"), HasSubstr("expected ?transport="));
  EXPECT_THAT(why("turns:host?transport=udp"), HasSubstr("turns: is spoken over TCP only"));
}

// The example of RFC 9725 4.6.
TEST(LinkField, GivesServersWithTheirCredentials) {
  const auto servers = ice_servers_of_link(
      R"(<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; )"
      R"(username="user"; credential="myPassword"; credential-type="password")");
  ASSERT_EQ(servers.size(), 2U);
  EXPECT_EQ(servers[0].host, "stun.example.net");
  EXPECT_EQ(servers[1].transport, Transport::Udp);
  EXPECT_EQ(servers[1].username, "user");
  EXPECT_EQ(servers[1].credential, "myPassword");
}

TEST(LinkField, TakesCommasAndEscapesInsideQuotes) {
  const auto servers = ice_servers_of_link(
      R"(<turn:a>; rel=ice-server; username="x,y;\"z\""; credential="1", <turn:b>; rel=ice-server)");
  ASSERT_EQ(servers.size(), 2U);
  EXPECT_EQ(servers[0].username, "x,y;\"z\"");
  EXPECT_EQ(servers[1].host, "b");
}

TEST(LinkField, LeavesOutOtherRelationsAndWhatCanNotBeRead) {
  EXPECT_TRUE(ice_servers_of_link(R"(<stun:a>; rel="next", <http://b>; rel="ice-server", stun:c, ;;, <, ")").empty());
}

TEST(LinkField, IsBounded) {
  std::string field;
  for (int i = 0; i < 1000; ++i) field += "<stun:a>; rel=ice-server,";
  EXPECT_EQ(ice_servers_of_link(field).size(), 16U);
}

}  // namespace
}  // namespace isotube::client
